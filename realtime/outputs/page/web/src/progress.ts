// Before the first judgement: admission, and the training phase.

import { at, show } from "./dom.ts";
import type { Beat, FrameWord } from "./wire.ts";

export function showProgress(beat: Beat | null, frame: FrameWord | null): void {
  const [text, part] = progressOf(beat, frame);
  const bar = at<HTMLProgressElement>("progress-bar");
  at("progress").hidden = text === "";
  show("progress-text", text);
  if (part === null) bar.removeAttribute("value");
  else if (bar.value !== part) bar.value = part;
}

export function progressOf(beat: Beat | null, frame: FrameWord | null): [text: string, part: number | null] {
  if (beat?.preparing) return [beat.preparing, beat.preparing_fraction ?? null];
  if (frame && frame.baseline_frames < frame.baseline_wanted) {
    return [`training: ${frame.baseline_frames} of ${frame.baseline_wanted} frames`, frame.baseline_frames / frame.baseline_wanted];
  }
  return ["", null];
}
