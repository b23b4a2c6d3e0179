// Before the first judgement: admission, and the training phase.

import { at, show } from "./dom.ts";
import type { Beat } from "./wire.ts";

export function showProgress(beat: Beat | null): void {
  const [text, part] = [beat?.preparing ?? "", beat?.preparing_fraction ?? null];
  const bar = at<HTMLProgressElement>("progress-bar");
  at("progress").hidden = text === "";
  show("progress-text", text);
  if (part === null) bar.removeAttribute("value");
  else if (bar.value !== part) bar.value = part;
}
