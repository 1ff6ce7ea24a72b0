"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const sections = new Map();
  document.querySelectorAll(".ligand").forEach(s => sections.set(s.dataset.ligand, s));
  const overview = [...document.querySelectorAll(".ligands tr[data-ligand]")];
  const on = id => { const box = document.getElementById(id); return Boolean(box && box.checked); };
  const stage = document.getElementById("stage");
  const bench = document.querySelector(".bench");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const RANKED = { top: "#0f9d8a", rest: "#9aa5b1", reference: "#d9822b" };
  let viewer = null, receptor = null, receptorAtoms = [], surface = null;
  let ligand = null, pose = 0, lines = [];

  function ground() {
    return getComputedStyle(document.documentElement).getPropertyValue("--stage").trim();
  }

  function start() {
    if (!stage || typeof $3Dmol === "undefined") return;
    if ($3Dmol.setSyncSurface) $3Dmol.setSyncSurface(true);  // a page opened from disk may not start workers
    try {
      viewer = $3Dmol.createViewer("view", { backgroundColor: ground(), antialias: true });
    } catch (error) { viewer = null; }
    if (!viewer) {
      document.getElementById("caption").textContent =
        "This browser offers no WebGL, so there is no 3D view; the tables are complete.";
      return;
    }
    viewer.setViewStyle({ style: "outline", width: 0.02, color: "black" });
    if (data.receptor) {
      receptor = viewer.addModel(data.receptor, "pdb");
      receptorAtoms = receptor.selectedAtoms({});
    }
    dark.addEventListener("change", () => { viewer.setBackgroundColor(ground()); draw(); });
    new ResizeObserver(() => viewer.resize()).observe(document.getElementById("view"));
  }

  const carbon = color => ({ prop: "elem", map: { ...$3Dmol.elementColors.defaultColors, C: color } });

  function near(atoms, cutoff) {
    // serial numbers of receptor residues with an atom close to the ligand
    const close = new Set(), limit = cutoff * cutoff;
    for (const r of receptorAtoms) {
      const key = `${r.chain}:${r.resi}:${r.icode || ""}`;
      if (close.has(key)) continue;
      for (const a of atoms) {
        const x = r.x - a.x, y = r.y - a.y, z = r.z - a.z;
        if (x * x + y * y + z * z <= limit) { close.add(key); break; }
      }
    }
    return receptorAtoms.filter(r => close.has(`${r.chain}:${r.resi}:${r.icode || ""}`));
  }

  function contacts(atoms, around) {
    const polar = a => a.elem === "N" || a.elem === "O";
    for (const a of atoms.filter(polar)) {
      for (const r of around.filter(polar)) {
        const distance = Math.hypot(a.x - r.x, a.y - r.y, a.z - r.z);
        if (distance <= 3.5) {
          lines.push(viewer.addCylinder({
            start: { x: a.x, y: a.y, z: a.z }, end: { x: r.x, y: r.y, z: r.z },
            radius: 0.045, dashed: true, dashLength: 0.18, gapLength: 0.14,
            color: dark.matches ? "#e8c547" : "#b8860b", fromCap: 1, toCap: 1 }));
        }
      }
    }
  }

  let models = [];
  function draw() {
    if (!viewer || ligand === null) return;
    const blocks = data.poses[ligand] || [];
    models.forEach(m => viewer.removeModel(m)); models = [];
    lines.forEach(l => viewer.removeShape(l)); lines = [];
    if (surface !== null) { viewer.removeAllSurfaces(); surface = null; }
    if (on("all")) {
      blocks.forEach((block, i) => {
        if (i === pose) return;
        const other = viewer.addModel(block, "sdf");
        other.setStyle({ not: { elem: "H" } },
          { stick: { radius: 0.07, colorscheme: carbon(RANKED.rest) } });
        models.push(other);
      });
    }
    if (on("reference") && data.reference) {
      const known = viewer.addModel(data.reference, "sdf");
      known.setStyle({ not: { elem: "H" } },
        { stick: { radius: 0.09, colorscheme: carbon(RANKED.reference) } });
      models.push(known);
    }
    let atoms = [];
    if (blocks[pose]) {
      const model = viewer.addModel(blocks[pose], "sdf");
      model.setStyle({}, { stick: { radius: 0.19, colorscheme: carbon(RANKED.top) } });
      models.push(model);
      atoms = model.selectedAtoms({});
    }
    if (receptor) {
      const grey = dark.matches ? "#9fb0c2" : "#c3ccd6";
      receptor.setStyle({}, {});
      if (on("cartoon")) receptor.setStyle({ hetflag: false },
        { cartoon: { color: grey, opacity: 0.55, thickness: 0.25 } });
      const around = atoms.length ? near(atoms, 4.5) : [];
      const index = around.map(a => a.index);
      if (on("pocket") && index.length) {
        receptor.setStyle({ index: index, not: { elem: "H" } }, {
          ...(on("cartoon") ? { cartoon: { color: grey, opacity: 0.55, thickness: 0.25 } } : {}),
          stick: { radius: 0.075, colorscheme: carbon(dark.matches ? "#a9b7c6" : "#8592a1") } });
      }
      const metals = ["LI", "NA", "MG", "K", "CA", "MN", "FE", "CO", "NI", "CU", "ZN", "CD", "MO"];
      receptor.setStyle({ hetflag: true, not: { elem: "H" } },
        { stick: { radius: 0.11, colorscheme: carbon("#b58db6") } });
      const ions = receptorAtoms.filter(a => a.hetflag && metals.includes((a.elem || "").toUpperCase()));
      if (ions.length) receptor.setStyle({ index: ions.map(a => a.index) },
        { sphere: { scale: 0.42 } });
      if (on("contacts")) contacts(atoms, around);
      if (on("surface") && atoms.length) {
        const wall = near(atoms, 6.5).map(a => a.index);
        surface = viewer.addSurface($3Dmol.SurfaceType.SES,
          { opacity: 0.72, color: dark.matches ? "#7f93a8" : "#dfe7ef" },
          { model: receptor, index: wall }, { model: receptor, index: wall });
      }
    }
    viewer.render();
    caption(blocks.length);
  }

  function caption(count) {
    const box = document.getElementById("caption");
    const name = document.createElement("b");
    name.textContent = sections.get(ligand).dataset.name;
    box.replaceChildren(name, ` · pose ${pose + 1} of ${count}`);
  }

  function centre() {
    if (!viewer || !models.length) return;
    viewer.zoomTo({ model: models[models.length - 1] });
    viewer.zoom(0.72);
    viewer.render();
  }

  function mark() {
    overview.forEach(row => row.classList.toggle("selected", row.dataset.ligand === ligand));
    document.querySelectorAll(".poses tr.selected").forEach(r => r.classList.remove("selected"));
    if (!data.poses[ligand]) return;
    const row = sections.get(ligand).querySelector(`tr[data-pose="${pose}"]`);
    if (row) row.classList.add("selected");
  }

  function choose(number, at, move) {
    const changed = number !== ligand;
    ligand = number; pose = at;
    if (sections.size > 1) sections.forEach((s, key) => { s.hidden = key !== ligand; });
    if (stage) {
      stage.hidden = !data.poses[ligand];
      bench.classList.toggle("no-viewer", stage.hidden);
    }
    mark(); draw();
    if (changed || move) centre();
  }

  function step(by) {
    const count = (data.poses[ligand] || []).length;
    if (count) choose(ligand, (pose + by + count) % count);
  }

  function activate(element, action) {
    element.addEventListener("click", action);
    element.addEventListener("keydown", event => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); action(); }
    });
  }
  overview.forEach(row => activate(row, () => choose(row.dataset.ligand, 0)));
  sections.forEach((section, number) => section.querySelectorAll("tr[tabindex]").forEach(
    row => activate(row, () => choose(number, Number(row.dataset.pose)))));
  const press = (id, action) => {
    const button = document.getElementById(id);
    if (button) button.addEventListener("click", action);
  };
  press("prev", () => step(-1)); press("next", () => step(1)); press("reset", centre);
  ["cartoon", "pocket", "surface", "contacts", "all", "reference"].forEach(id => {
    const box = document.getElementById(id);
    if (box) box.addEventListener("change", draw);
  });
  document.addEventListener("keydown", event => {
    if (event.target.closest("input, button, summary, pre")) return;
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });

  start();
  const first = data.first !== null ? String(data.first) : sections.keys().next().value;
  if (first !== undefined) choose(first, 0, true);
})();
