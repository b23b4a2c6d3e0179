// The permission to treat, in text, shape and colour, with its lease running down.

import { at, show } from "./dom.ts";
import type { Belief } from "./freshness.ts";
import type { FrameWord } from "./wire.ts";
import { seconds } from "./words.ts";

export function showPermit(belief: Belief, leaseMs: number): void {
  const { isGranted, leftMs, reason } = belief;
  put(isGranted ? "granted" : "held", isGranted ? "GRANTED" : "HELD", isGranted ? `for another ${seconds(leftMs)}` : reason);
  const part = isGranted && leaseMs > 0 ? Math.min(leftMs / leaseMs, 1) : 0;
  at("lease").querySelector<HTMLElement>("span")!.style.transform = `scaleX(${part.toFixed(3)})`;
}

// What once stood is never shown as what stands.
export function showRecordedPermit(frame: FrameWord | null): void {
  put("recorded", "RECORDED", frame ? `the permit was ${frame.permit ?? frame.decision} at frame ${frame.frame_id}` : "nothing here is live");
}

function put(kind: "granted" | "held" | "recorded", state: string, reason: string): void {
  const permit = at("permit");
  if (permit.className !== kind) permit.className = kind;
  if (permit.dataset["state"] !== state) permit.dataset["state"] = state;
  show("permit-state", state);
  show("permit-reason", reason);
}
