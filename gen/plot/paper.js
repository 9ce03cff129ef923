// Zoom, calipers, layouts, printing and saving for every .ecg-paper of the document.
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const paperOf = (node) => node.closest?.(".ecg-paper");
  const svgOf = (paper) => paper.querySelector("svg.ecg");
  const say = (paper, text) => { paper.querySelector(".ecg-reading").textContent = text; };

  // Zoom: the width that the paper is shown at; its own millimetres are never changed.
  function zoom(paper, factor) {
    const svg = svgOf(paper), width = svg.getBoundingClientRect().width * factor;
    svg.style.width = `${Math.min(6000, Math.max(200, width))}px`;
  }

  // Calipers: two corners in millimetres of the paper.
  const legs = new WeakMap();
  function corner(svg, event) {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    return keep(svg, { x: point.x, y: point.y });
  }
  function keep(svg, point) {
    const [left, top, width, height] = svg.dataset.grid.split(" ").map(Number);
    return { x: Math.min(left + width, Math.max(left, point.x)), y: Math.min(top + height, Math.max(top, point.y)) };
  }
  function draw(paper) {
    const svg = svgOf(paper), state = legs.get(paper);
    svg.querySelector("g.calipers")?.remove();
    if (!state) return say(paper, "");
    const { a, b } = state, group = document.createElementNS(SVG, "g");
    const [left, top, width, height] = svg.dataset.grid.split(" ").map(Number);
    group.setAttribute("class", "calipers");
    const line = (d, wide, dash) => {
      const path = document.createElementNS(SVG, "path");
      for (const [key, value] of Object.entries({ d, stroke: "#0b53c1", "stroke-width": wide, fill: "none" }))
        path.setAttribute(key, value);
      if (dash) path.setAttribute("stroke-dasharray", "1.2 1");
      group.append(path);
    };
    for (const point of [a, b]) line(`M${point.x} ${top}v${height}`, point === state.active ? 0.45 : 0.25);
    for (const point of [a, b]) line(`M${left} ${point.y}h${width}`, 0.15, true);
    line(`M${a.x} ${a.y}L${b.x} ${a.y}L${b.x} ${b.y}`, 0.4);
    svg.append(group);
    const ms = Math.abs(b.x - a.x) / svg.dataset.mmPerS * 1000, mv = (a.y - b.y) / svg.dataset.mmPerMv;
    const rate = ms >= 100 ? `, ${Math.round(60000 / ms)} per min` : "";
    say(paper, `${Math.round(ms)} ms, ${mv.toFixed(2).replace("-", "\u2212")} mV${rate}`);
  }
  function measure(paper, on) {
    const scroll = paper.querySelector(".ecg-scroll"), svg = svgOf(paper);
    paper.querySelector('[data-do="calipers"]').setAttribute("aria-pressed", String(on));
    scroll.classList.toggle("measuring", on);
    if (on && !legs.get(paper)) {
      const [left, top, width, height] = svg.dataset.grid.split(" ").map(Number);
      const a = { x: left + width / 2 - 10, y: top + height / 2 }, b = { x: a.x + 20, y: a.y - 10 };
      legs.set(paper, { a, b, active: b });
    }
    if (!on) legs.delete(paper);
    draw(paper);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.(".ecg-tools button"), paper = button && paperOf(button);
    if (!paper) return;
    const svg = svgOf(paper), does = {
      in: () => zoom(paper, 1.25),
      out: () => zoom(paper, 0.8),
      fit: () => { svg.style.width = "100%"; },
      true: () => { svg.style.width = svg.getAttribute("width"); },
      calipers: () => measure(paper, button.getAttribute("aria-pressed") !== "true"),
      print: () => print(svg),
      save: () => save(svg),
    };
    does[button.dataset.do]?.();
  });

  let dragged = null;
  document.addEventListener("pointerdown", (event) => {
    const scroll = event.target.closest?.(".ecg-scroll.measuring");
    if (!scroll || event.button !== 0) return;
    const paper = paperOf(scroll), point = corner(svgOf(paper), event);
    const state = { a: point, b: { ...point } };
    state.active = state.b;
    legs.set(paper, state);
    dragged = paper;
    scroll.focus();
    draw(paper);
    event.preventDefault();
  });
  document.addEventListener("pointermove", (event) => {
    if (!dragged) return;
    Object.assign(legs.get(dragged).b, corner(svgOf(dragged), event));
    draw(dragged);
  });
  document.addEventListener("pointerup", () => { dragged = null; });

  const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  document.addEventListener("keydown", (event) => {
    const scroll = event.target.closest?.(".ecg-scroll.measuring");
    if (!scroll) return;
    const paper = paperOf(scroll), state = legs.get(paper);
    if (event.key === "Enter") state.active = state.active === state.a ? state.b : state.a;
    else if (event.key === "Escape") return measure(paper, false);
    else if (MOVES[event.key]) {
      const [x, y] = MOVES[event.key], step = event.shiftKey ? 0.2 : 1;
      const point = { x: state.active.x + x * step, y: state.active.y + y * step };
      Object.assign(state.active, keep(svgOf(paper), point));
    } else return;
    event.preventDefault();
    draw(paper);
  });

  document.addEventListener("change", async (event) => {
    if (!event.target.matches?.('.ecg-tools select[data-do="layout"]')) return;
    const paper = paperOf(event.target), source = paper.dataset.source;
    const answer = await fetch(`${source}?layout=${encodeURIComponent(event.target.value)}`);
    const text = await answer.text();
    if (!answer.ok) return say(paper, text);
    const width = svgOf(paper).style.width;
    measure(paper, false);
    const fresh = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
    svgOf(paper).replaceWith(document.importNode(fresh, true));
    svgOf(paper).style.width = width;
  });

  const clean = (svg) => {
    const copy = svg.cloneNode(true);
    copy.removeAttribute("style");
    return new XMLSerializer().serializeToString(copy);
  };
  function print(svg) {
    const tall = parseFloat(svg.getAttribute("height")) > 210; // rows that had to move apart
    const sheet = tall ? `${svg.getAttribute("width")} ${svg.getAttribute("height")}` : "A4 landscape";
    const frame = document.createElement("iframe");
    frame.title = "Print";
    frame.style.cssText = "position:fixed;width:0;height:0;border:0";
    document.body.append(frame);
    frame.contentDocument.write(
      `<!doctype html><title>${svg.dataset.record}</title><style>@page { size: ${sheet}; margin: 0 } ` +
      `body { margin: 0 } svg { display: block }</style>${clean(svg)}`);
    frame.contentDocument.close();
    frame.contentWindow.addEventListener("afterprint", () => frame.remove());
    frame.contentWindow.print();
  }
  function save(svg) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([clean(svg)], { type: "image/svg+xml" }));
    link.download = `${svg.dataset.record}.svg`;
    link.click();
    URL.revokeObjectURL(link.href);
  }
})();
