"use strict";
/* The page: one slider for all penalties of a network. */

const STUDY = JSON.parse(document.getElementById("data").textContent);
const PAGE = {
  slider: document.getElementById("slider"),
  position: document.getElementById("position"),
  host: document.getElementById("panels"),
  panels: [],
};

function chosenNetwork() {
  const radio = document.querySelector("input[name=network]:checked");
  return radio?.value ?? STUDY.curves[0]?.network;
}

/** The position of the slider, from 0 to 1. */
function share() {
  const last = Number(PAGE.slider.max);
  return last ? Number(PAGE.slider.value) / last : 0;
}

function show() {
  const { slider, position, panels } = PAGE;
  for (const panel of panels) panel.show(share());
  position.textContent = `step ${Number(slider.value) + 1} of ${Number(slider.max) + 1}`;
  slider.setAttribute("aria-valuetext", `${position.textContent}: ${said(panels)}`);
}

function said(panels) {
  return panels.map((panel) => panel.told).join("; ");
}

function moveTo(position) {
  const { slider } = PAGE;
  slider.value = Math.round(position * Number(slider.max));
  show();
  remember();
}

function look(unit) {
  for (const panel of PAGE.panels) panel.look(unit);
}

/** Panels of a network, with the slider where it was, or where the study says. */
function build(network, position) {
  const curves = STUDY.curves.filter((curve) => curve.network === network);
  const steps = Math.max(...curves.map(({ strengths }) => strengths.length), 1);
  const study = { ...STUDY, accuracies: accuracies(curves) };
  const words = STUDY.networks[network];
  PAGE.host.replaceChildren();
  PAGE.panels = curves.map((curve) => new Panel(PAGE.host, curve, words, study, moveTo, look));
  PAGE.slider.max = steps - 1;
  PAGE.slider.disabled = steps < 2;
  PAGE.slider.value = Math.round((position ?? STUDY.start[network] ?? 0) * (steps - 1));
  document.getElementById("square").textContent = words?.square ?? "";
  show();
}

/** In the address, so that a reload, or a link, opens the page as it is; browsers bound how often. */
function remember() {
  clearTimeout(PAGE.remembering);
  PAGE.remembering = setTimeout(() => {
    history.replaceState(null, "", `#${chosenNetwork()}=${PAGE.slider.value}`);
  }, 150);
}

function remembered() {
  const [network, value] = location.hash.slice(1).split("=");
  const radio = [...document.querySelectorAll("input[name=network]")].find(
    (each) => each.value === network,
  );
  if (radio) radio.checked = true;
  return network === chosenNetwork() && /^\d+$/.test(value ?? "") ? Number(value) : null;
}

/** Left and right move the slider wherever the focus is, unless it has a use for them. */
function onKey(event) {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const busy = event.target.closest?.("input, select, textarea, [contenteditable]");
  if (!step || busy || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  PAGE.slider.value = Number(PAGE.slider.value) + step;
  show();
  remember();
}

function repaint() {
  for (const panel of PAGE.panels) panel.paint();
}

function start() {
  const value = remembered();
  build(chosenNetwork());
  if (value !== null) PAGE.slider.value = value;
  show();
  PAGE.slider.addEventListener("input", () => (show(), remember()));
  for (const radio of document.querySelectorAll("input[name=network]")) {
    radio.addEventListener("change", () => (build(chosenNetwork()), remember()));
  }
  addEventListener("keydown", onKey);
  for (const query of ["(prefers-color-scheme: dark)", "print"]) {
    matchMedia(query).addEventListener("change", repaint);
  }
}

start();
