// A Matrix client of one page. It shows what bigger clients show of a bot: invites, Spaces, direct
// chats, the timeline with edits and HTML, who types, what was read, and notifications.

import {
  ClientEvent, createClient, EventType, KnownMembership, PendingEventOrdering, Preset,
} from "matrix-js-sdk";
import { MatrixEventEvent, RoomEvent, RoomMemberEvent, RoomStateEvent } from "matrix-js-sdk";
import { composer, timeline } from "./timeline.js";
import { avatar, button, element, roomInLink } from "./parts.js";

const CHANGES = [
  ClientEvent.Sync, ClientEvent.Room, ClientEvent.AccountData, RoomEvent.Timeline, RoomEvent.Name,
  RoomEvent.MyMembership, RoomEvent.Receipt, RoomEvent.LocalEchoUpdated, RoomEvent.Redaction,
  RoomEvent.UnreadNotifications, RoomMemberEvent.Typing, RoomStateEvent.Events,
  MatrixEventEvent.Replaced,
];
const TIMELINE_LIMIT = 200;
const TOAST_MS = 3000;

const at = (id) => document.getElementById(id);
const client = { current: null };
const view = { roomId: null, via: [], replyTo: null, edits: null, drawn: null, waits: false };

at("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const given = Object.fromEntries(new FormData(event.target));
  try {
    await logIn(given.homeserver, given.user, given.password);
  } catch (error) {
    at("refused").textContent = error.message;
  }
});

at("start").addEventListener("submit", async (event) => {
  event.preventDefault();
  const { user } = Object.fromEntries(new FormData(event.target));
  event.target.reset();
  select(await startChat(user));
});

async function logIn(baseUrl, user, password) {
  const login = await createClient({ baseUrl }).loginRequest({
    type: "m.login.password", identifier: { type: "m.id.user", user }, password,
  });
  const made = createClient({
    baseUrl, accessToken: login.access_token, userId: login.user_id, deviceId: login.device_id,
    timelineSupport: true,
  });
  client.current = made;
  for (const change of CHANGES) made.on(change, drawSoon);
  made.on(RoomEvent.Timeline, notify);
  await made.startClient({
    initialSyncLimit: TIMELINE_LIMIT, pendingEventOrdering: PendingEventOrdering.Detached,
  });
  at("login").hidden = true;
  at("client").hidden = false;
  at("me").textContent = login.user_id;
}

/** Make a direct chat as clients do: a private room with an invite, noted in the account data. */
async function startChat(userId) {
  const { room_id: roomId } = await client.current.createRoom({
    preset: Preset.TrustedPrivateChat, is_direct: true, invite: [userId],
  });
  const direct = client.current.getAccountData(EventType.Direct)?.getContent() ?? {};
  const rooms = [...(direct[userId] ?? []), roomId];
  await client.current.setAccountData(EventType.Direct, { ...direct, [userId]: rooms });
  return roomId;
}

function select(roomId, via = []) {
  Object.assign(view, { roomId, via, replyTo: null, edits: null, drawn: null });
  document.body.classList.toggle("in-room", roomId !== null);
  drawSoon();
}

function drawSoon() {
  if (view.waits) return;
  view.waits = true;
  requestAnimationFrame(() => {
    view.waits = false;
    drawRooms();
    drawRoom();
  });
}

// ------------------------------------------------------------ the list of rooms

function sections() {
  const found = { Invites: [], Spaces: [], People: [], Rooms: [] };
  const direct = client.current.getAccountData(EventType.Direct)?.getContent() ?? {};
  const people = new Set(Object.values(direct).flat());
  const byTime = (a, b) => b.getLastActiveTimestamp() - a.getLastActiveTimestamp();
  for (const room of client.current.getVisibleRooms().sort(byTime)) {
    const membership = room.getMyMembership();
    if (membership === KnownMembership.Invite) found.Invites.push(room);
    else if (membership !== KnownMembership.Join) continue;
    else if (room.isSpaceRoom()) found.Spaces.push(room);
    else if (people.has(room.roomId)) found.People.push(room);
    else found.Rooms.push(room);
  }
  return Object.entries(found).filter(([, rooms]) => rooms.length);
}

function drawRooms() {
  at("rooms").replaceChildren(...sections().map(([title, rooms]) => element("section", {
    ariaLabel: title,
  }, element("h2", {}, title), ...rooms.map(entry))));
}

function entry(room) {
  const unread = room.getUnreadNotificationCount() ?? 0;
  const made = button("", () => select(room.roomId), avatar(client.current, room), room.name);
  made.classList.toggle("selected", room.roomId === view.roomId);
  if (unread) made.append(element("b", { className: "unread", title: "unread" }, `${unread}`));
  return made;
}

// ------------------------------------------------------------ one room

function drawRoom() {
  const room = client.current.getRoom(view.roomId);
  const membership = room?.getMyMembership();
  if (view.roomId === null) at("room").replaceChildren();
  else if (membership !== KnownMembership.Join) drawDoor(room, membership);
  else if (room.isSpaceRoom()) drawSpace(room);
  else drawChat(room);
}

/** A room that one is not in: an invite, or what a link leads to. */
function drawDoor(room, membership) {
  const inviter = room?.getMember(client.current.getUserId())?.events.member?.sender?.name;
  const name = room?.name ?? view.roomId;
  const isInvite = membership === KnownMembership.Invite;
  const said = isInvite ? `${inviter} invites you to ${name}` : `You are not in ${name}`;
  at("room").replaceChildren(element("div", { className: "door" },
    ...(room ? [avatar(client.current, room, 64)] : []),
    element("p", {}, said),
    element("p", { className: "topic" }, topicOf(room)),
    button(isInvite ? "Accept" : "Join", join),
    ...(isInvite ? [button("Decline", leave)] : []),
    element("p", { id: "failed", role: "alert" })));
  view.drawn = null;
}

async function join() {
  try {
    await client.current.joinRoom(view.roomId, { viaServers: view.via });
  } catch (error) {
    at("failed").textContent = error.message;
  }
}

async function leave() {
  const { roomId } = view;
  select(null);
  await client.current.leave(roomId);
}

async function drawSpace(room) {
  if (view.drawn === room.roomId) return;
  view.drawn = room.roomId;
  const list = element("ul", { ariaLabel: "Rooms of this Space" });
  at("room").replaceChildren(header(room), list);
  const { rooms } = await client.current.getRoomHierarchy(room.roomId, 100, 1);
  const children = rooms.filter((child) => child.room_id !== room.roomId);
  list.replaceChildren(...children.map((child) => element("li", {},
    button(child.name ?? child.room_id, () => select(child.room_id)),
    element("small", {}, child.topic ?? ""))));
}

function drawChat(room) {
  if (view.drawn !== room.roomId) {
    const log = element("div", { id: "timeline", role: "log", ariaLabel: "Timeline" });
    const typing = element("p", { id: "typing", ariaLabel: "Who types" });
    at("room").replaceChildren(header(room), log, typing, composer(client.current, view, drawSoon));
    view.drawn = room.roomId;
  }
  document.querySelector("#room > header").replaceWith(header(room));
  at("timeline").replaceChildren(...timeline(client.current, room, {
    reply: (event) => turnTo({ replyTo: event, edits: null }),
    edit: (event) => turnTo({ edits: event, replyTo: null }),
  }));
  at("timeline").scrollTop = at("timeline").scrollHeight;
  at("typing").textContent = typists(room);
  at("about").textContent = aboutComposer();
  const last = room.getLiveTimeline().getEvents().findLast((event) => !event.status);
  if (last && !room.hasUserReadEvent(client.current.getUserId(), last.getId())) {
    client.current.sendReadReceipt(last);
  }
}

function turnTo(change) {
  Object.assign(view, change);
  if (view.edits) at("message").value = view.edits.getContent().body;
  at("message").focus();
  drawSoon();
}

function aboutComposer() {
  if (view.edits) return "You edit your message";
  if (view.replyTo) return `You reply to: ${view.replyTo.getContent().body.slice(0, 60)}`;
  return "";
}

function typists(room) {
  const names = room.currentState.getMembers()
    .filter((member) => member.typing && member.userId !== client.current.getUserId())
    .map((member) => member.name);
  return names.length ? `${names.join(", ")} is typing…` : "";
}

function header(room) {
  return element("header", {},
    button("‹", () => select(null), element("span", { className: "hidden-words" }, "All rooms")),
    avatar(client.current, room, 36),
    element("h1", {}, room.name),
    element("p", { className: "topic", title: topicOf(room) }, topicOf(room)),
    button("Rename", () => rename(room)),
    button("Leave", leave));
}

async function rename(room) {
  const name = prompt("The new name of this room", room.name);
  if (name) await client.current.setRoomName(room.roomId, name);
}

function topicOf(room) {
  return room?.currentState.getStateEvents(EventType.RoomTopic, "")?.getContent().topic ?? "";
}

// ------------------------------------------------------------ links and notifications

document.addEventListener("click", (event) => {
  const target = roomInLink(event.target.closest("a")?.href);
  if (!target) return;
  event.preventDefault();
  select(target.roomId, target.via);
});

/** Show what the push rules ask for: what a phone would ring for. */
function notify(event, room, toStart, removed, data) {
  if (toStart || !data?.liveEvent || event.getSender() === client.current.getUserId()) return;
  if (event.isState() || !client.current.isInitialSyncComplete()) return;
  if (!client.current.getPushActionsForEvent(event)?.notify) return;
  const { body } = event.getContent();
  const toast = element("p", { role: "status" }, element("b", {}, room.name), ` ${body}`);
  at("toasts").append(toast);
  setTimeout(() => toast.remove(), TOAST_MS);
  document.body.dataset.notified = Number(document.body.dataset.notified ?? 0) + 1;
}
