// The timeline of a room, and the field to write in.

import DOMPurify from "dompurify";
import { EventType, MsgType, RelationType } from "matrix-js-sdk";
import { avatar, button, element, roomInLink } from "./parts.js";

// What the Matrix specification lets messages contain.
const TAGS = `del h1 h2 h3 h4 h5 h6 blockquote p a ul ol sup sub li b i u strong em s code hr br div
  table thead tbody tr th td caption pre span img details summary`.split(/\s+/);
const ATTRIBUTES = ["href", "target", "rel", "start", "class", "title"];

export function timeline(client, room, actions) {
  const events = room.getLiveTimeline().getEvents();
  const shown = [...events, ...room.getPendingEvents()];
  return shown.map((event) => line(client, room, event, actions)).filter(Boolean);
}

function line(client, room, event, actions) {
  if (event.isRelation(RelationType.Replace)) return null;
  if (event.getType() === EventType.RoomMessage) return message(client, room, event, actions);
  const words = stateWords(room, event);
  return words && element("p", { className: "state" }, words);
}

function message(client, room, event, actions) {
  const isMine = event.getSender() === client.getUserId();
  const sender = room.getMember(event.getSender());
  const said = element("div", { className: "said" }, ...quoted(room, event), body(client, event));
  const replaced = event.replacingEvent();
  const made = element("article", {
    className: event.getContent().msgtype === MsgType.Notice ? "notice" : "",
  },
    avatar(client, sender ?? { name: event.getSender() }),
    element("b", { className: "sender" }, sender?.name ?? event.getSender()),
    element("time", {}, event.getDate().toTimeString().slice(0, 5)),
    said);
  made.dataset.eventId = event.getId();
  made.dataset.mine = isMine;
  if (event.status) made.dataset.status = event.status;
  if (replaced) said.append(element("small", { className: "edited" }, "(edited)"));
  const acts = [button("Reply", () => actions.reply(event))];
  if (isMine) acts.push(button("Edit", () => actions.edit(event)));
  if (isMine) acts.push(button("Delete", () => client.redactEvent(room.roomId, event.getId())));
  made.append(element("span", { className: "actions" }, ...acts), ...readBy(client, room, event));
  return made;
}

function quoted(room, event) {
  const id = event.replyEventId;
  if (!id) return [];
  const first = room.findEventById(id)?.getContent().body ?? "a message";
  return [element("blockquote", { className: "quoted" }, first.slice(0, 120))];
}

function readBy(client, room, event) {
  const names = room.getUsersReadUpTo(event)
    .filter((userId) => userId !== client.getUserId() && userId !== event.getSender())
    .map((userId) => room.getMember(userId)?.name ?? userId);
  return names.length ? [element("small", { className: "read" }, `read by ${names.join(", ")}`)] : [];
}

function body(client, event) {
  if (event.isRedacted()) return element("i", { className: "body" }, "Message deleted");
  const content = event.getContent();
  const made = element("div", { className: "body" });
  if (content.format !== "org.matrix.custom.html") {
    made.classList.add("plain");
    const text = content.body ?? "";
    made.textContent = event.replyEventId ? text.replace(/^(> .*\n)+\n/, "") : text;
    return made;
  }
  made.innerHTML = DOMPurify.sanitize(content.formatted_body, {
    ALLOWED_TAGS: TAGS, ALLOWED_ATTR: ATTRIBUTES, FORBID_CONTENTS: ["mx-reply"],
  });
  for (const link of made.querySelectorAll("a")) pill(client, link);
  return made;
}

/** A link to a room shows the room's name as it is now, as bigger clients do. */
function pill(client, link) {
  const target = roomInLink(link.href);
  if (!target) return;
  link.classList.add("pill");
  link.textContent = client.getRoom(target.roomId)?.name ?? link.textContent;
}

function stateWords(room, event) {
  const by = event.sender?.name ?? event.getSender();
  const content = event.getContent();
  switch (event.getType()) {
    case EventType.RoomCreate: return `${by} created this room`;
    case EventType.RoomName: return `${by} changed the name to ${content.name}`;
    case EventType.RoomTopic: return `${by} changed the topic to “${content.topic}”`;
    case EventType.RoomAvatar: return `${by} changed the picture`;
    case EventType.RoomMember: return memberWords(by, event);
    default: return null;
  }
}

function memberWords(by, event) {
  const name = event.getContent().displayname ?? event.getStateKey();
  const { membership } = event.getContent();
  if (membership === event.getPrevContent().membership) return `${name} changed their profile`;
  if (membership === "leave" && event.getSender() !== event.getStateKey()) {
    return `${by} removed ${event.getStateKey()}`;
  }
  return { join: `${name} joined`, leave: `${name} left`, invite: `${by} invited ${name}` }[membership];
}

export function composer(client, view, drawSoon) {
  const field = element("textarea", {
    id: "message", rows: 1, ariaLabel: "Message", placeholder: "Write a message",
  });
  const send = async () => {
    const text = field.value.trim();
    if (!text) return;
    field.value = "";
    const content = contentOf(view, text);
    Object.assign(view, { replyTo: null, edits: null });
    drawSoon();
    await client.sendMessage(view.roomId, content);
  };
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    send();
  });
  return element("footer", {}, element("small", { id: "about" }), field, button("Send", send));
}

/** The content of a message as clients send it, with their fallbacks. */
function contentOf(view, text) {
  const content = { msgtype: MsgType.Text, body: text };
  if (view.edits) {
    return {
      msgtype: MsgType.Text,
      body: `* ${text}`,
      "m.new_content": content,
      "m.relates_to": { rel_type: RelationType.Replace, event_id: view.edits.getId() },
    };
  }
  if (!view.replyTo) return content;
  const quote = view.replyTo.getContent().body.replace(/^/gm, "> ");
  return {
    ...content,
    body: `${quote}\n\n${text}`,
    "m.relates_to": { "m.in_reply_to": { event_id: view.replyTo.getId() } },
  };
}
