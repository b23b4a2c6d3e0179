// What the operator sees. Whatever cannot be shown to be live is shown as HELD.

import { Alerts } from "./alerts.js";
import { Link } from "./link.js";
import { drawPicture, drawScale, readPicture } from "./picture.js";

const LOOK_MS = 50;
const OLD_MS = 5000; // where no lease says how long a frame holds
let stale_ms = 500;
let beat = null;
let permit = null; // told at once when it changes; never believed longer than the beats are
let drawn = null;
const pictures = new Map();

const link = new Link(heed);
const alerts = new Alerts(link);
const show = (id, text) => { const at = document.getElementById(id); if (at.textContent !== text) at.textContent = text; };
const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;

function heed(message) {
  if (message.type === "welcome") {
    stale_ms = message.stale_ms;
    pictures.clear();
    drawn = null;
    alerts.welcome(message);
  } else if (message.type === "alert") {
    alerts.change(message);
  } else if (message.type === "acknowledged") {
    alerts.answered(message);
  } else if (message.type === "permit") {
    permit = message;
  } else if (message.type === "beat") {
    beat = message;
    permit = message.permit;
    showRegions(message.frame?.regions ?? []);
  } else if (message.type === "picture") {
    takePicture(readPicture(message.data));
  } else if (message.type === "closed") {
    show("answer", message.reason ? `the server closed the connection: ${message.reason}` : "");
  }
  look();
}

function takePicture(picture) {
  const stream = `${picture.run_id} ${picture.slice} ${picture.contrast}`;
  if (drawn && drawn.run_id !== picture.run_id) pictures.clear();
  pictures.set(stream, picture);
  listStreams(stream);
  if (document.getElementById("stream").value === stream) drawStream();
  link.drawn(picture.number);
}

function listStreams(newest) {
  const select = document.getElementById("stream");
  const names = [...pictures.keys()].sort();
  if ([...select.options].map((one) => one.value).join() === names.join()) return;
  const chosen = select.value;
  select.replaceChildren(...names.map((name) => new Option(name.split(" ").slice(-2).join(", contrast "), name)));
  select.value = pictures.has(chosen) ? chosen : newest;
  document.getElementById("streams").hidden = names.length < 2;
}

function drawStream() {
  drawn = pictures.get(document.getElementById("stream").value) ?? null;
  if (!drawn) return;
  drawPicture(document.getElementById("picture"), drawn);
  document.body.classList.toggle("cold", !drawn.planes.temperature_c);
}

// Age of a picture or verdict: what it was when the last beat was true, and what has passed since.
function ageMs(heard_ms) { return Math.max(0, beat.now_ms - heard_ms) + performance.now() - link.provedMs; }

function look() {
  const age_ms = link.ageMs();
  // one look earlier, so that it is told within the time and not just after it
  const isStale = beat === null || age_ms > stale_ms - LOOK_MS;
  document.body.classList.toggle("stale", isStale);
  show("heard", Number.isFinite(age_ms) ? `${seconds(age_ms)} ago` : "never");
  if (isStale) {
    const since = Number.isFinite(age_ms) ? `for ${seconds(age_ms)}` : "yet";
    show("stale", `NOT LIVE: no word from the monitor ${since}. Treat as HELD.`);
  }
  showPermit(isStale, age_ms);
  showFrame();
}

function showPermit(isStale, age_ms) {
  const left_ms = permit ? permit.left_ms - age_ms : 0;
  const isGranted = !isStale && permit.state === "GRANTED" && left_ms > 0;
  document.getElementById("permit").className = isGranted ? "granted" : "held";
  show("permit-state", isGranted ? "GRANTED" : "HELD");
  const held = isStale ? "this page is not live" : permit.reason || "the lease lapsed";
  show("permit-reason", isGranted ? `for another ${seconds(left_ms)}` : held);
}

function showFrame() {
  const run = beat?.run_id ? `${beat.run_id} ${beat.protocol_name}` : "none";
  show("run", run);
  show("alerts-note", beat?.misses_alerts ? "(more are being fetched)" : "");
  show("refused", beat?.n_refused ? `Connections refused or cut off: ${beat.n_refused}.` : "");
  const frame = beat?.frame;
  show("frame-id", frame ? `${frame.frame_id} ${frame.outcome}` : "none");
  show("frame-age", frame ? seconds(ageMs(frame.heard_ms) + frame.age_ms) : "none");
  const picture_ms = drawn && beat ? ageMs(drawn.heard_ms) : 0;
  const isOld = drawn !== null && picture_ms > (beat?.lease_ms || OLD_MS);
  document.body.classList.toggle("old", isOld);
  show("picture-frame", drawn ? `frame ${drawn.frame_id}, ${seconds(picture_ms)} old${isOld ? ", NOT CURRENT" : ""}` : "");
}

function showRegions(regions) {
  const number = (value, digits) => value === null || value === undefined ? "–" : value.toFixed(digits);
  const rows = regions.map((one) => {
    const row = document.createElement("tr");
    for (const text of [one.name, one.role, number(one.temperature_max_c, 1), number(one.temperature_mean_c, 1),
      number(one.temperature_std_c, 2), number(one.dose_max_cem43_min, 1)]) row.insertCell().textContent = text;
    return row;
  });
  document.querySelector("#regions tbody").replaceChildren(...rows);
}

document.getElementById("stream").addEventListener("change", drawStream);
drawScale(document.getElementById("scale"));
setInterval(look, LOOK_MS);
look();
