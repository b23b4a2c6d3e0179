// The page's socket: what the server says, and whether it can still be believed.

const AGAIN_MS = 1000;
const ALIVE_MS = 1000;

export class Link {
  #socket = null;
  #heed;
  #known = { epoch: "", after: 0 };
  #seen = { beat: 0, picture: 0 };
  #provedMs = -Infinity;

  constructor(heed) {
    this.#heed = heed;
    setInterval(() => this.#sayAlive(), ALIVE_MS);
    this.#open();
  }

  // How long ago the monitor's last word was said at the latest. A beat carries the stamp, by this
  // browser's own clock, of what it answers: it was sent after that, wherever it waited on its way.
  ageMs() { return performance.now() - this.#provedMs; }

  // The moment, by this browser's clock, by which all of the last beat was true.
  get provedMs() { return this.#provedMs; }

  // From where alerts are to be replayed when the connection comes back.
  note(epoch, after) { this.#known = { epoch, after }; }

  drawn(number) { this.#seen.picture = number; this.#sayAlive(); }

  acknowledge(request, alertId, who) {
    return this.#say({ type: "acknowledge", request, epoch: this.#known.epoch, alert_id: alertId, who });
  }

  #open() {
    const socket = new WebSocket(`ws://${location.host}/socket`);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#socket = socket;
      this.#seen = { beat: 0, picture: 0 };
      this.#say({ type: "hello", ...this.#known });
      this.#sayAlive();
    };
    socket.onmessage = (event) => this.#hear(event.data);
    socket.onclose = (event) => {
      this.#socket = null;
      this.#heed({ type: "closed", code: event.code, reason: event.reason });
      setTimeout(() => this.#open(), AGAIN_MS);
    };
  }

  #hear(data) {
    if (data instanceof ArrayBuffer) {
      this.#heed({ type: "picture", data });
      return;
    }
    const message = JSON.parse(data);
    if (message.type === "beat") {
      this.#seen.beat = message.number;
      if (message.echo_ms !== null && message.silent_ms !== null) {
        this.#provedMs = Math.max(this.#provedMs, message.echo_ms - message.silent_ms);
      }
      this.#sayAlive();
    }
    this.#heed(message);
  }

  #sayAlive() { this.#say({ type: "seen", stamp_ms: performance.now(), ...this.#seen }); }

  #say(word) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(word));
    return true;
  }
}
