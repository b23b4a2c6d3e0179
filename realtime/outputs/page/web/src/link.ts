// The page's socket: what the server says, what we say back. It comes back by itself.

import { Freshness } from "./freshness.ts";
import type { Message, News } from "./wire.ts";

const AGAIN_MS = 1000;
const ALIVE_MS = 1000;

export class Link {
  readonly freshness = new Freshness();
  #socket: WebSocket | null = null;
  #heed: (news: News) => void;
  #known = { epoch: "", after: 0 };
  #seen = { beat: 0, picture: 0 };

  constructor(heed: (news: News) => void) {
    this.#heed = heed;
    setInterval(() => this.#sayAlive(), ALIVE_MS);
    this.#open();
  }

  // From where alerts are to be replayed when the connection comes back.
  note(epoch: string, after: number): void {
    this.#known = { epoch, after };
  }

  drawn(number: number): void {
    this.#seen.picture = number;
    this.#sayAlive();
  }

  acknowledge(request: number, alertId: number, who: string): boolean {
    return this.#say({ type: "acknowledge", request, epoch: this.#known.epoch, alert_id: alertId, who });
  }

  seek(frame: number): boolean {
    return this.#say({ type: "seek", frame });
  }

  #open(): void {
    const socket = new WebSocket(`ws://${location.host}/socket`);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#socket = socket;
      this.#seen = { beat: 0, picture: 0 };
      this.#say({ type: "hello", ...this.#known });
      this.#sayAlive();
    };
    socket.onmessage = (event: MessageEvent<string | ArrayBuffer>) => this.#hear(event.data);
    socket.onclose = (event) => {
      this.#socket = null;
      this.#heed({ type: "closed", code: event.code, reason: event.reason });
      setTimeout(() => this.#open(), AGAIN_MS);
    };
  }

  #hear(data: string | ArrayBuffer): void {
    if (data instanceof ArrayBuffer) {
      this.#heed({ type: "picture", data });
      return;
    }
    const message = JSON.parse(data) as Message;
    if (message.type === "beat") {
      this.#seen.beat = message.number;
      this.freshness.hear(message);
      this.#sayAlive();
    }
    this.#heed(message);
  }

  #sayAlive(): void {
    this.#say({ type: "seen", stamp_ms: performance.now(), ...this.#seen });
  }

  #say(word: object): boolean {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(word));
    return true;
  }
}
