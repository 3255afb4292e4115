// The style sheet's colours, for canvases.

/** The current value of a custom property, light or dark: "rgb(…)". */
export function resolveColor(name) {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const resolved = getComputedStyle(probe).color;
  probe.remove();
  return resolved;
}
