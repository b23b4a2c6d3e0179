// Open alerts by priority, their acknowledgement, and what happened.

import { audible, inOrder } from "./alert_order.ts";
import { at, element, show } from "./dom.ts";
import type { Link } from "./link.ts";
import type { Acknowledged, Alert, Priority, Told, Welcome } from "./wire.ts";
import { timeOfDay } from "./words.ts";

const SIGNS: Record<Priority, string> = { high: "!!! HIGH", medium: "!! MEDIUM", low: "! LOW" };
const MOST_LOGGED = 200;

export class Alerts {
  #link: Link;
  #open = new Map<number, Alert>();
  #rows = new Map<number, HTMLLIElement>();
  #epoch = "";
  #last = 0;
  #n_requests = 0;
  #selected: number | null = null;
  #waitsForName: number | null = null;

  constructor(link: Link) {
    this.#link = link;
    at("person").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#named();
    });
    document.addEventListener("keydown", (event) => this.#key(event));
  }

  get audible(): Priority | null {
    return audible(this.#open.values());
  }

  welcome(message: Welcome): void {
    if (message.epoch !== this.#epoch) {
      at("log").replaceChildren();
      // the same number is another alert now, and what a hand is about to press is another's
      this.#selected = this.#waitsForName = null;
      this.#rows.clear();
    }
    this.#epoch = message.epoch;
    this.#open = new Map(message.open.map((alert) => [alert.alert_id, alert]));
    if (!message.is_whole) this.#log("changes of alerts were missed that the monitor no longer tells");
    for (const told of message.missed) this.#log(words(told.alert), "before");
    this.#reach(message.last_alert);
    this.#show();
  }

  change({ sequence, alert }: Told): void {
    if (sequence <= this.#last) return;
    if (alert.state === "withdrawn") this.#open.delete(alert.alert_id);
    else this.#open.set(alert.alert_id, alert);
    if (alert.state === "raised") show("announced", `${alert.priority} priority: ${alert.text}`);
    this.#log(words(alert));
    this.#reach(sequence);
    this.#show();
  }

  answered({ alert_id, status, text }: Acknowledged): void {
    show("answer", `alert ${alert_id} ${status === "done" ? "acknowledged" : `not acknowledged: ${text}`}`);
  }

  #reach(sequence: number): void {
    this.#last = sequence;
    this.#link.note(this.#epoch, sequence);
  }

  #show(): void {
    const order = inOrder(this.#open.values());
    if (this.#selected !== null && !this.#open.has(this.#selected)) this.#selected = null;
    const rows = order.map((alert) => this.#row(alert));
    const list = at("alerts");
    if (rows.length !== list.children.length || rows.some((row, n) => list.children[n] !== row)) {
      const [focused, first] = [document.activeElement, list.firstElementChild];
      list.replaceChildren(...rows);
      if (focused instanceof HTMLElement && list.contains(focused)) focused.focus({ preventScroll: true });
      if (rows[0] !== first) list.scrollTop = 0; // what is most urgent never comes up out of sight
    }
    for (const id of this.#rows.keys()) if (!this.#open.has(id)) this.#rows.delete(id);
    at("no-alerts").hidden = rows.length > 0;
    this.#mark();
  }

  #row(alert: Alert): HTMLLIElement {
    const row = this.#rows.get(alert.alert_id) ?? this.#makeRow(alert.alert_id);
    row.className = alert.priority;
    row.dataset["state"] = alert.state;
    const state = alert.acknowledged_by ? `acknowledged by ${alert.acknowledged_by}` : alert.state;
    const [sign, text, note, button] = row.children;
    for (const [part, said] of [[sign, SIGNS[alert.priority]], [text, alert.text], [note, state]] as const) {
      if (part && part.textContent !== said) part.textContent = said;
    }
    (button as HTMLButtonElement).hidden = Boolean(alert.acknowledged_by);
    return row;
  }

  #makeRow(id: number): HTMLLIElement {
    const row = element("li");
    row.dataset["alert"] = String(id);
    row.tabIndex = 0;
    const button = element("button", "Acknowledge");
    button.type = "button";
    button.tabIndex = -1; // A does it from the row
    button.addEventListener("click", () => this.#acknowledge(id));
    row.append(element("span", "", "sign"), element("span", "", "text"), element("span", "", "state"), button);
    row.addEventListener("focus", () => this.#select(id));
    row.addEventListener("click", () => this.#select(id));
    this.#rows.set(id, row);
    return row;
  }

  #select(id: number | null): void {
    this.#selected = id;
    this.#mark();
  }

  #mark(): void {
    for (const [id, row] of this.#rows) {
      if (id === this.#selected) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
    }
  }

  #key(event: KeyboardEvent): void {
    const target = event.target as HTMLElement;
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName) || event.ctrlKey || event.metaKey || event.altKey) return;
    const isUpOrDown = event.key === "ArrowDown" || event.key === "ArrowUp";
    // arrows belong to the image while it has the focus
    if (isUpOrDown && (target === document.body || at("alerts").contains(target))) {
      event.preventDefault();
      this.#step(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key.toLowerCase() === "a" && !event.repeat) {
      if (this.#selected === null) show("answer", "Select an alert first: the arrow keys, or a click.");
      else this.#acknowledge(this.#selected);
    }
  }

  #step(by: number): void {
    const rows = [...at("alerts").children] as HTMLLIElement[];
    const now = rows.findIndex((row) => row.dataset["alert"] === String(this.#selected));
    const next = now < 0 ? 0 : Math.min(Math.max(now + by, 0), rows.length - 1);
    rows[next]?.focus();
  }

  #named(): void {
    const id = this.#waitsForName;
    this.#waitsForName = null;
    if (id !== null && this.#open.has(id)) this.#acknowledge(id);
    at<HTMLInputElement>("who").blur();
  }

  #acknowledge(id: number): void {
    const who = at<HTMLInputElement>("who");
    if (this.#open.get(id)?.acknowledged_by) {
      show("answer", `alert ${id} is acknowledged already`);
    } else if (!who.value.trim()) {
      this.#waitsForName = id;
      show("answer", "Say first who has seen it, then press Enter.");
      who.focus();
    } else if (!this.#link.acknowledge(++this.#n_requests, id, who.value.trim())) {
      show("answer", "Not connected: nothing was acknowledged.");
    }
  }

  #log(text: string, when = timeOfDay(new Date())): void {
    const log = at("log");
    log.prepend(element("li", `${when}  ${text}`));
    while (log.children.length > MOST_LOGGED) log.lastChild?.remove();
  }
}

function words(alert: Alert): string {
  return `alert ${alert.alert_id} ${alert.state}, ${alert.priority}: ${alert.text}`;
}
