// SPDX-License-Identifier: GPL-2.0-only
/*
 * The timeline. Each row is a list of runs [start, end, colour]; a pixel column
 * shows the shares of its time, stacked, so that one drawing rule serves the
 * whole run and a single millisecond.
 */
(function () {
	"use strict";
	const data = JSON.parse(document.getElementById("data").textContent);
	const box = document.getElementById("timeline");
	const where = document.getElementById("where");
	const CPU = ["idle", "feeder", "service", "orchestrator", "tool", "starling", "other"];
	const GPU = ["idle", "busy", "starved", "host"];
	const ROW = 34, GAP = 7, LEFT = 52, AXIS = 22;
	const total = Math.max(...data.arms.map((a) => a.end_us), 1);
	const view = { from: 0, to: total };
	const panels = [];

	function unpack(text) {
		const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
		const start = [], end = [], colour = [];
		let at = 0, i = 0;

		function number() {
			let n = 0, scale = 1, b;
			do {
				b = bytes[i++];
				n += (b & 127) * scale;
				scale *= 128;
			} while (b & 128);
			return n;
		}
		while (i < bytes.length) {
			at += number();
			const n = number();
			start.push(at);
			at += Math.floor(n / 8);
			end.push(at);
			colour.push(n % 8);
		}
		return { start, end, colour };
	}

	/* index of the first run that ends after t */
	function firstAfter(row, t) {
		let low = 0, high = row.end.length;

		while (low < high) {
			const mid = (low + high) >> 1;
			if (row.end[mid] > t)
				high = mid;
			else
				low = mid + 1;
		}
		return low;
	}

	/* shares[colour] of [from, to) */
	function shares(row, from, to) {
		const s = [0, 0, 0, 0, 0, 0, 0, 0];

		for (let i = firstAfter(row, from); i < row.start.length && row.start[i] < to; i++)
			s[row.colour[i]] += Math.min(row.end[i], to) - Math.max(row.start[i], from);
		for (let c = 0; c < s.length; c++)
			s[c] /= to - from;
		return s;
	}

	function colours(names) {
		const style = getComputedStyle(document.documentElement);
		return names.map((n) => style.getPropertyValue("--" + n).trim());
	}

	/* round in seconds, or in per cent of the run where times mean nothing */
	function niceStep(span) {
		const unit = data.unit_hidden ? total / 100 : 1;
		const raw = span / 8 / unit, power = Math.pow(10, Math.floor(Math.log10(raw)));
		return unit * [1, 2, 5, 10].map((k) => k * power).find((s) => s >= raw);
	}

	function label(us, step) {
		if (data.unit_hidden)
			return (100 * us / total).toFixed(step < total / 100 ? 2 : 0) + " %";
		return step >= 1e6 ? (us / 1e6).toFixed(0) + " s" :
			step >= 1e4 ? (us / 1e6).toFixed(2) + " s" : (us / 1e3).toFixed(1) + " ms";
	}

	function drawAxis(ctx, width, top) {
		const style = getComputedStyle(document.documentElement);
		const step = niceStep(view.to - view.from);

		ctx.fillStyle = style.getPropertyValue("--dim");
		ctx.strokeStyle = style.getPropertyValue("--line");
		ctx.font = "12px system-ui, sans-serif";
		ctx.textAlign = "center";
		for (let t = Math.ceil(view.from / step) * step; t <= view.to; t += step) {
			const x = LEFT + (t - view.from) / (view.to - view.from) * (width - LEFT);
			ctx.beginPath();
			ctx.moveTo(x, top);
			ctx.lineTo(x, top + 5);
			ctx.stroke();
			ctx.fillText(label(t, step), Math.min(Math.max(x, LEFT + 16), width - 22), top + 18);
		}
	}

	function drawRow(ctx, row, y, width, palette) {
		const n = width - LEFT, per = (view.to - view.from) / n;

		ctx.fillStyle = palette[0];
		ctx.fillRect(LEFT, y, n, ROW);
		for (let x = 0; x < n; x++) {
			const s = shares(row, view.from + x * per, view.from + (x + 1) * per);
			let base = y + ROW;
			for (let c = 1; c < palette.length; c++) {
				if (s[c] <= 0)
					continue;
				ctx.fillStyle = palette[c];
				ctx.fillRect(LEFT + x, base - s[c] * ROW, 1, s[c] * ROW);
				base -= s[c] * ROW;
			}
		}
	}

	function draw(p) {
		const scale = window.devicePixelRatio || 1;
		const width = Math.max(200, Math.floor(p.canvas.clientWidth));
		const height = p.rows.length * (ROW + GAP) + AXIS;
		const ctx = p.canvas.getContext("2d");
		const dim = getComputedStyle(document.documentElement).getPropertyValue("--dim");

		p.canvas.width = width * scale;
		p.canvas.height = height * scale;
		p.canvas.style.height = height + "px";
		ctx.setTransform(scale, 0, 0, scale, 0, 0);
		p.rows.forEach((row, i) => {
			const y = i * (ROW + GAP);
			ctx.fillStyle = dim;
			ctx.font = "12.5px system-ui, sans-serif";
			ctx.textAlign = "left";
			ctx.fillText(row.name, 0, y + ROW / 2 + 4);
			drawRow(ctx, row, y, width, colours(row.gpu ? GPU : CPU));
		});
		drawAxis(ctx, width, height - AXIS);
	}

	let pending = false;
	function drawAll() {
		if (pending)
			return;
		pending = true;
		requestAnimationFrame(() => {
			pending = false;
			panels.forEach(draw);
		});
	}

	function show(from, to) {
		const span = Math.min(Math.max(to - from, 2000), total);

		view.from = Math.min(Math.max(from, 0), total - span);
		view.to = view.from + span;
		drawAll();
	}

	function timeAt(canvas, clientX) {
		const r = canvas.getBoundingClientRect();
		const part = (clientX - r.left - LEFT) / (r.width - LEFT);
		return view.from + Math.min(Math.max(part, 0), 1) * (view.to - view.from);
	}

	function tell(p, ev) {
		const i = Math.floor((ev.clientY - p.canvas.getBoundingClientRect().top) / (ROW + GAP));
		const row = p.rows[i];

		if (!row) {
			where.textContent = "";
			return;
		}
		const per = (view.to - view.from) / (p.canvas.clientWidth - LEFT);
		const t = timeAt(p.canvas, ev.clientX);
		const s = shares(row, t - per, t + per), names = row.gpu ? GPU : CPU;
		const text = names.map((n, c) => [n, c ? s[c] : 0]).filter((e) => e[1] > 0.005)
			.map((e) => e[0] + (e[1] < 0.995 ? " " + Math.round(e[1] * 100) + " %" : ""));
		where.textContent = row.name + " at " + label(t, 1e3) + ": " + (text.join(", ") || "idle");
	}

	function listen(p) {
		const c = p.canvas;
		let held = null;

		c.addEventListener("wheel", (ev) => {
			const t = timeAt(c, ev.clientX), k = Math.pow(1.0015, ev.deltaY);
			ev.preventDefault();
			show(t - (t - view.from) * k, t + (view.to - t) * k);
		}, { passive: false });
		c.addEventListener("pointerdown", (ev) => {
			held = { x: ev.clientX, from: view.from };
			c.setPointerCapture(ev.pointerId);
		});
		c.addEventListener("pointermove", (ev) => {
			tell(p, ev);
			if (held) {
				const span = view.to - view.from;
				const moved = (held.x - ev.clientX) / (c.clientWidth - LEFT) * span;
				show(held.from + moved, held.from + moved + span);
			}
		});
		c.addEventListener("pointerup", () => { held = null; });
		c.addEventListener("pointercancel", () => { held = null; });
		c.addEventListener("pointerleave", () => { where.textContent = ""; });
	}

	data.arms.forEach((arm) => {
		const title = document.createElement("h3"), note = document.createElement("small");
		const canvas = document.createElement("canvas");

		title.textContent = arm.label;
		note.textContent = arm.note;
		title.appendChild(note);
		box.append(title, canvas);
		const p = { canvas, rows: arm.rows.map((r) =>
			Object.assign(unpack(r.runs), { name: r.name, gpu: r.gpu })) };
		panels.push(p);
		listen(p);
	});
	box.querySelectorAll("button").forEach((b) => b.addEventListener("click", () => {
		const span = b.dataset.span * 1e6 || total, mid = (view.from + view.to) / 2;
		show(mid - span / 2, mid + span / 2);
	}));
	window.addEventListener("resize", drawAll);
	matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
	const wanted = /^#t=([\d.]+),([\d.]+)$/.exec(location.hash);
	if (wanted)
		show(wanted[1] * 1e6, wanted[2] * 1e6);
	drawAll();
})();
