// Elements that every part of the page uses.

export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

export function button(label, act, ...children) {
  const made = element("button", { type: "button" }, ...children, label);
  made.addEventListener("click", act);
  return made;
}

const pictures = new Map();

/** The picture of a room or a member, or the first letter of its name. */
export function avatar(client, owner, size = 28) {
  const mxc = owner.getMxcAvatarUrl?.() ?? owner.getAvatarFallbackMember?.()?.getMxcAvatarUrl();
  const made = element("span", { className: "avatar", ariaHidden: "true" });
  made.style.setProperty("--size", `${size}px`);
  if (!mxc) made.append([...owner.name.replace(/^[#@!]/, "")][0]?.toUpperCase() ?? "?");
  else {
    const image = element("img", { alt: "" });
    picture(client, mxc).then((source) => (image.src = source));
    made.append(image);
  }
  return made;
}

/** The address of a picture that the page may show: media need the access token. */
function picture(client, mxc) {
  if (!pictures.has(mxc)) pictures.set(mxc, download(client, mxc));
  return pictures.get(mxc);
}

async function download(client, mxc) {
  const address = client.mxcUrlToHttp(mxc, undefined, undefined, undefined, false, true, true);
  const headers = { Authorization: `Bearer ${client.getAccessToken()}` };
  return URL.createObjectURL(await (await fetch(address, { headers })).blob());
}

/** The room that a matrix.to link leads to, with the servers to join it by; null for others. */
export function roomInLink(href) {
  const [, target] = (href ?? "").split("https://matrix.to/#/");
  if (!target) return null;
  const [path, query] = target.split("?");
  const roomId = decodeURIComponent(path.split("/")[0]);
  return roomId.startsWith("!") ? { roomId, via: new URLSearchParams(query).getAll("via") } : null;
}
