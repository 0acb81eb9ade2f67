"""Selectors and JavaScript that the tests evaluate in the page."""

READY = "body[data-state]"
"""Matches once the page shows a snapshot. The page's policy forbids polling with JavaScript."""

FOCUSED = """() => {
  const at = document.activeElement;
  const name = at.getAttribute("aria-label") ?? at.getAttribute("aria-labelledby")
    ?? at.value ?? at.textContent.trim();
  const outlined = at.matches("input") ? at.nextElementSibling : at;
  return getComputedStyle(outlined).outlineStyle === "solid" ? name : `not visible: ${name}`;
}"""
"""The name of the focused element, with "not visible: " before it if its outline is missing."""

CONTRASTS = """() => {
  const channels = (colour) => {
    const canvas = document.createElement("canvas").getContext("2d");
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.slice(0, 3).map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = channels(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const inPicture = element instanceof SVGElement;
    const box = element.closest(".node")?.querySelector("rect");
    const back = box ? channels(getComputedStyle(box).fill) : ground(element);
    const [one, two] = [light(channels(inPicture ? style.fill : style.color)), light(back)];
    const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    if (ratio < 4.5) found.push(`${element.textContent.slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return found;
}"""
"""The texts with a contrast below 4.5 to their background, computed as WCAG 2 defines it."""
