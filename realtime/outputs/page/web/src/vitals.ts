// The three or four values that are read from across the room.

import { at, element } from "./dom.ts";
import { duty } from "./course.ts";
import type { FrameWord, Plan, RegionReading } from "./wire.ts";
import { amount, number } from "./words.ts";

interface Vital {
  name: string;
  value: string;
  unit: string;
  note: string;
  isOver?: boolean;
}

export function showVitals(frame: FrameWord | null, readings: RegionReading[], newest: FrameWord[], plan: Plan | null): void {
  const vitals = frame?.motion || plan?.therapy === "mrlinac" ? ofMotion(frame, newest, plan) : ofHeat(frame, readings, plan);
  const list = at("vitals");
  if (list.children.length !== vitals.length) list.replaceChildren(...vitals.map(makeVital));
  vitals.forEach((vital, n) => {
    const cell = list.children[n] as HTMLElement;
    const [name, value] = cell.children as unknown as [HTMLElement, HTMLElement];
    write(name, vital.name);
    const [figure, unit, note] = value.children as unknown as [HTMLElement, HTMLElement, HTMLElement];
    write(figure, vital.value);
    write(unit, vital.unit);
    write(note, vital.note);
    cell.classList.toggle("over", vital.isOver === true);
  });
}

function ofHeat(frame: FrameWord | null, readings: RegionReading[], plan: Plan | null): Vital[] {
  const targets = readings.filter((one) => one.role === "target");
  const hottest = most(targets, (one) => one.temperature_max_c);
  const dosed = most(targets, (one) => one.dose_max_cem43_min);
  const stop = plan?.limits.find((one) => one.quantity === "temperature_c" && one.region === hottest?.name)?.stop;
  const lesion = frame?.lesion_mm3;
  return [
    {
      name: `hottest in ${hottest?.name ?? "the target"}`, unit: "°C", value: number(hottest?.temperature_max_c, 1),
      note: [hottest?.temperature_std_c == null ? "" : `σ of a pixel ${number(hottest.temperature_std_c, 1)}`, stop == null ? "" : `limit ${stop}`].filter(Boolean).join("  "),
      isOver: stop != null && (hottest?.temperature_max_c ?? -Infinity) > stop,
    },
    { name: "most dose there", unit: "CEM43 min", value: amount(dosed?.dose_max_cem43_min), note: "" },
    { name: "beyond 240 CEM43", unit: "mm³", value: lesion ? amount(lesion[1]) : "–", note: lesion ? `${amount(lesion[0])} to ${amount(lesion[2])}` : "" },
  ];
}

function ofMotion(frame: FrameWord | null, newest: FrameWord[], plan: Plan | null): Vital[] {
  const motion = frame?.motion;
  const part = duty(newest);
  const delivered = frame?.delivered;
  const beam = motion?.is_beam_on === true ? "beam on" : motion?.is_beam_on === false ? "beam off" : "beam not told";
  const most = plan?.max_outside_percent;
  return [
    {
      name: "target outside", unit: "%", value: number(motion?.outside_percent, 1), note: most == null ? "" : `limit ${most}`,
      isOver: most != null && (motion?.outside_percent ?? -Infinity) > most,
    },
    { name: "gate", unit: "", value: motion ? (motion.is_gate_open ? "OPEN" : "CLOSED") : "–", note: beam },
    { name: "duty", unit: "%", value: part === null ? "–" : (part * 100).toFixed(0), note: `last ${newest.length} frames` },
    { name: "delivered", unit: "MU", value: amount(delivered?.mu), note: delivered ? `of ${amount(delivered.planned_mu)}` : "" },
  ];
}

function most(readings: RegionReading[], of: (one: RegionReading) => number | null | undefined): RegionReading | undefined {
  return readings.reduce<RegionReading | undefined>((a, b) => ((of(b) ?? -Infinity) > ((a && of(a)) ?? -Infinity) ? b : (a ?? b)), undefined);
}

function makeVital(): HTMLElement {
  const cell = element("div");
  const value = element("dd");
  value.append(element("b"), element("span", "", "unit"), element("small"));
  cell.append(element("dt"), value);
  return cell;
}

function write(on: HTMLElement, text: string): void {
  if (on.textContent !== text) on.textContent = text;
}
