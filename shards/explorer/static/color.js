// The style sheet's colours, for what is drawn by hand.

/** A custom property as the browser resolves it now, light or dark: "rgb(…)". */
export function color(name) {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const said = getComputedStyle(probe).color;
  probe.remove();
  return said;
}
