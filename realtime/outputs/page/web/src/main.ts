// What the operator sees. Whatever cannot be shown to be live is shown as HELD.

import "uplot/dist/uPlot.min.css";
import "./page.css";
import { Alerts } from "./alerts.ts";
import { Charts } from "./charts.ts";
import { Course } from "./course.ts";
import { at, show } from "./dom.ts";
import { believe, LOOK_MS } from "./freshness.ts";
import { Images } from "./images.ts";
import { Latency } from "./latency.ts";
import { Link } from "./link.ts";
import { showPermit, showRecordedPermit } from "./permit.ts";
import { readPicture } from "./picture.ts";
import { showProgress } from "./progress.ts";
import { Review } from "./review.ts";
import { showDoubts, showRegions } from "./tables.ts";
import { Tone } from "./tone.ts";
import { showVitals } from "./vitals.ts";
import type { Beat, FrameWord, History, News, PermitWord, Plan, Priority, Welcome } from "./wire.ts";
import { seconds, timeOfDay } from "./words.ts";

const CHARTS_MS = 250;
const OLD_MS = 5000; // where no lease says how long a frame holds
const RECENT = 200; // frames that duty is told of

let staleMs = 500;
let nSkipped = 0; // frames that this browser was too slow for
let beat: Beat | null = null;
let permit: PermitWord | null = null;
let plan: Plan | null = null;
let frame: FrameWord | null = null;
let epoch = "";
let runId = ""; // of what is shown; it stays when its run ends
let hasBeenLive = false;
let isChartDue = true;
const course = new Course();
const link = new Link(heed);
const alerts = new Alerts(link);
const images = new Images();
const charts = new Charts();
const latency = new Latency();
const review = new Review(link);
const tone = new Tone();

function heed(news: News): void {
  switch (news.type) {
    case "welcome": welcome(news); break;
    case "plan": know(news.plan); break;
    case "history": recall(news); break;
    case "alert": alerts.change(news); break;
    case "acknowledged": alerts.answered(news); break;
    case "permit": permit = news; break;
    case "frame": {
      nSkipped += news.n_skipped ?? 0;
      take(news.frame);
      review.answered();
      break;
    }
    case "beat": hear(news); break;
    case "picture": draw(news.data); break;
    case "closed": link.freshness.lose(performance.now(), staleMs); show("answer", news.reason ? `the server closed the connection: ${news.reason}` : ""); break;
  }
  look();
}

function welcome(news: Welcome): void {
  staleMs = news.stale_ms;
  if (news.epoch !== epoch) {
    forget(); // another life of the monitor: its runs are others, and its permit
    permit = null;
  }
  epoch = news.epoch;
  images.clear();
  know(news.plan ?? null);
  document.body.dataset["mode"] = news.recorded ? "recorded" : "live";
  review.know(news.recorded ?? null);
  alerts.welcome(news);
}

function know(next: Plan | null): void {
  plan = next;
  if (next) begin(next.run_id);
  images.know(plan);
  charts.know(plan);
}

function begin(run: string): void {
  if (run === runId) return;
  forget();
  runId = run;
  if (plan?.run_id !== run) know(null);
}

function forget(): void {
  runId = "";
  course.clear();
  frame = null;
  isChartDue = true;
}

function hear(news: Beat): void {
  if (news.run_id) begin(news.run_id);
  beat = news;
  permit = news.permit;
  if (news.frame) take(news.frame);
}

function recall(news: History): void {
  begin(news.run_id);
  course.addHistory(news.rows);
  isChartDue = true;
}

function take(next: FrameWord): void {
  if (frame && (review.isOn ? frame.frame_id === next.frame_id : next.frame_id <= frame.frame_id)) return;
  frame = next;
  if (!review.isOn) course.add(next);
  isChartDue = true;
  images.heed(next);
}

function draw(data: ArrayBuffer): void {
  const picture = readPicture(data);
  images.take(picture);
  link.drawn(picture.number);
}

function look(): void {
  const nowMs = performance.now();
  const ageMs = link.freshness.ageMs(nowMs);
  const isStale = beat === null || link.freshness.isStale(nowMs, staleMs);
  hasBeenLive ||= !isStale;
  document.body.classList.toggle("stale", isStale);
  document.body.dataset["live"] = String(!isStale && !review.isOn);
  showLive(isStale, ageMs);
  if (review.isOn) showRecordedPermit(frame);
  else showPermit(believe(permit, ageMs, isStale), beat?.lease_ms ?? plan?.lease_ms ?? 0);
  showWhere(nowMs, isStale);
  showProgress(beat);
  tone.heed(heard()); // here, since a tab that is not looked at has its timers slowed and its messages not
}

function showLive(isStale: boolean, ageMs: number): void {
  show("heard", Number.isFinite(ageMs) ? `${seconds(ageMs)} ago` : "never");
  const live = isStale ? "NOT LIVE" : review.isOn ? "RECORDED" : "LIVE";
  show("live", live);
  at("live").dataset["live"] = String(live === "LIVE");
  if (!isStale) return;
  const since = Number.isFinite(ageMs) ? `for ${seconds(ageMs)}` : "yet";
  show("stale", `NOT LIVE: no word from the monitor ${since}. Treat as HELD.`);
}

function showWhere(nowMs: number, isStale: boolean): void {
  show("run", beat?.run_id ? `${beat.run_id} ${beat.protocol_name}` : "none");
  show("alerts-note", beat?.misses_alerts ? "(more are being fetched)" : "");
  const refused = beat?.n_refused ? `Connections refused or cut off: ${beat.n_refused}. ` : "";
  show("refused", refused + (nSkipped ? `Frames that this browser was too slow for: ${nSkipped}.` : ""));
  const ageOf = (heardMs: number) => (beat ? link.freshness.ageOfMs(heardMs, beat, nowMs) : 0);
  show("frame-id", frame ? `${frame.frame_id} ${frame.outcome}` : "none");
  show("frame-age", frame && !review.isOn ? seconds(ageOf(frame.heard_ms) + frame.age_ms) : "none");
  const shown = images.shown;
  const pictureMs = shown && beat ? ageOf(shown.picture.heard_ms) : 0;
  const isOld = shown !== null && !review.isOn && pictureMs > holdMs();
  document.body.classList.toggle("old", isOld);
  const age = review.isOn ? "recorded" : `${seconds(pictureMs)} old${isOld ? ", NOT CURRENT" : ""}`;
  show("picture-frame", shown ? `frame ${shown.picture.frame_id}, ${age}` : "");
  images.stamp((picture, drawnAt) => {
    if (review.isOn && !isStale) {
      const isOther = frame !== null && picture.frame_id !== frame.frame_id;
      return { text: isOther ? `RECORDED · frame ${picture.frame_id}` : "RECORDED", isOld: isOther && picture.frame_id > frame!.frame_id };
    }
    const dated = `frame ${picture.frame_id} of ${timeOfDay(drawnAt)}`;
    // of several images each has its turn once in so many frames
    const isOldHere = ageOf(picture.heard_ms) > holdMs() * images.nStreams;
    return { text: isStale ? `NOT LIVE · ${dated}` : isOldHere ? `NOT CURRENT · ${dated}` : "", isOld: isOldHere };
  });
}

// How long a frame holds.
function holdMs(): number {
  return beat?.lease_ms || OLD_MS;
}

// A page that lost its monitor is itself an alarm; one that never had it has its banner; what is
// recorded is silent.
function heard(): Priority | null {
  if (review.isOn) return null;
  const isLost = hasBeenLive && document.body.dataset["live"] === "false";
  return isLost && alerts.audible !== "high" ? "medium" : alerts.audible;
}

function drawCharts(): void {
  if (!isChartDue) return;
  isChartDue = false;
  const all = course.newest(Math.max(RECENT, latency.nBars));
  const newest = review.isOn && frame ? all.filter((one) => one.frame_id <= frame!.frame_id) : all;
  const readings = review.isOn && frame ? frame.regions : course.readings(holdMs() * Math.max(1, images.nStreams));
  showRegions(readings);
  showDoubts(frame);
  showVitals(frame, readings, newest.slice(-RECENT), plan);
  charts.draw(course, readings, review.isOn ? frame : null);
  latency.draw(newest.slice(-latency.nBars), plan);
}

setInterval(look, LOOK_MS);
document.addEventListener("visibilitychange", look); // before a tab that was away is seen
setInterval(drawCharts, CHARTS_MS);
look();
drawCharts();
