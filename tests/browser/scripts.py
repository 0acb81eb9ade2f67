"""What is asked of the page itself, in its own language."""

READY = "body[data-state]"
"""The page has heard of the bot. A selector: the policy forbids polling JavaScript."""

FOCUSED = """() => {
  const at = document.activeElement;
  const name = at.getAttribute("aria-label") ?? at.getAttribute("aria-labelledby")
    ?? at.value ?? at.textContent.trim();
  const outlined = at.matches("input") ? at.nextElementSibling : at;
  return getComputedStyle(outlined).outlineStyle === "solid" ? name : `not visible: ${name}`;
}"""
"""The name of what has the focus, and whether that can be seen."""

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
"""Texts whose contrast with their ground is below 4.5, as WCAG counts it."""
