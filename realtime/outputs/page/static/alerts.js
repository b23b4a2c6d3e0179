// Open alerts by priority, their acknowledgement, and what happened.

const URGENCY = { high: 0, medium: 1, low: 2 };
const SIGNS = { high: "!!! HIGH", medium: "!! MEDIUM", low: "! LOW" };
const MOST_LOGGED = 200;

export class Alerts {
  #link;
  #open = new Map();
  #epoch = "";
  #last = 0;
  #n_requests = 0;

  constructor(link) {
    this.#link = link;
    document.getElementById("person").addEventListener("submit", (event) => event.preventDefault());
    document.addEventListener("keydown", (event) => {
      if (event.target.tagName === "INPUT" || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key.toLowerCase() !== "a") return;
      const first = this.#sorted().find((alert) => !alert.acknowledged_by);
      if (first) this.#acknowledge(first);
    });
  }

  welcome(message) {
    if (message.epoch !== this.#epoch) document.getElementById("log").replaceChildren();
    this.#epoch = message.epoch;
    this.#open = new Map(message.open.map((alert) => [alert.alert_id, alert]));
    if (!message.is_whole) this.#log("changes of alerts were missed that the monitor no longer tells");
    for (const told of message.missed) this.#log(words(told.alert), "before");
    this.#reach(message.last_alert);
    this.#show();
  }

  change({ sequence, alert }) {
    if (sequence <= this.#last) return;
    if (alert.state === "withdrawn") this.#open.delete(alert.alert_id);
    else this.#open.set(alert.alert_id, alert);
    this.#log(words(alert));
    this.#reach(sequence);
    this.#show();
  }

  answered({ alert_id, status, text }) {
    const told = status === "done" ? "acknowledged" : `not acknowledged: ${text}`;
    document.getElementById("answer").textContent = `alert ${alert_id} ${told}`;
  }

  #reach(sequence) {
    this.#last = sequence;
    this.#link.note(this.#epoch, sequence);
  }

  #sorted() {
    return [...this.#open.values()].sort(
      (a, b) => URGENCY[a.priority] - URGENCY[b.priority] || b.alert_id - a.alert_id);
  }

  #show() {
    document.getElementById("alerts").replaceChildren(...this.#sorted().map((alert) => this.#row(alert)));
  }

  #row(alert) {
    const row = element("li", "", alert.priority);
    row.dataset.alert = alert.alert_id;
    const state = alert.acknowledged_by ? `acknowledged by ${alert.acknowledged_by}` : alert.state;
    row.append(element("span", SIGNS[alert.priority], "sign"), element("span", alert.text, "text"),
      element("span", state, "state"));
    if (!alert.acknowledged_by) {
      const button = element("button", "Acknowledge");
      button.addEventListener("click", () => this.#acknowledge(alert));
      row.append(button);
    }
    return row;
  }

  #acknowledge(alert) {
    const answer = document.getElementById("answer");
    const who = document.getElementById("who");
    if (!who.value.trim()) {
      answer.textContent = "Say first who has seen it.";
      who.focus();
    } else if (!this.#link.acknowledge(++this.#n_requests, alert.alert_id, who.value.trim())) {
      answer.textContent = "Not connected: nothing was acknowledged.";
    }
  }

  #log(text, when = new Date().toLocaleTimeString("en-GB")) {
    const log = document.getElementById("log");
    log.prepend(element("li", `${when}  ${text}`));
    while (log.children.length > MOST_LOGGED) log.lastChild.remove();
  }
}

function words(alert) { return `alert ${alert.alert_id} ${alert.state}, ${alert.priority}: ${alert.text}`; }

function element(tag, text, className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = className;
  return made;
}
