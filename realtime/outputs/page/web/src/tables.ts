// The newest figures of each region, and what is doubtful.

import { at, element, show } from "./dom.ts";
import type { FrameWord, RegionReading } from "./wire.ts";
import { amount, number } from "./words.ts";

export function showRegions(readings: RegionReading[]): void {
  const rows = readings.map((one) => {
    const row = element("tr");
    const name = element("th", one.name);
    name.scope = "row";
    name.title = one.role;
    row.append(name);
    // σ is that of a middling pixel, neither of the hottest nor of the mean
    const heat = [number(one.temperature_max_c, 1), number(one.temperature_mean_c, 1), number(one.temperature_std_c, 2)];
    for (const text of [...heat, amount(one.dose_max_cem43_min)]) row.insertCell().textContent = text;
    return row;
  });
  at("regions").querySelector("tbody")!.replaceChildren(...rows);
}

export function showDoubts(frame: FrameWord | null): void {
  const said = [...(frame?.motion?.doubts ?? []), ...(frame?.delivered?.doubts ?? [])];
  if (frame?.delivered?.interrupted) said.push("dose of lost frames is counted at the last known place");
  if (frame?.delivered?.unplaced_mu) said.push(`${amount(frame.delivered.unplaced_mu)} MU came while the target was not tracked`);
  show("doubts", said.join(" · "));
}
