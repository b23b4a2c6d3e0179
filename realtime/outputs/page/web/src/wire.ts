// What the page's server says and hears; docs/wire.md, realtime/outputs/page/wire.py.
// An optional field may be absent from an older server.

export type Priority = "high" | "medium" | "low";

export interface Alert {
  alert_id: number;
  event: string;
  priority: Priority;
  latched: boolean;
  state: "raised" | "cleared" | "acknowledged" | "withdrawn";
  text: string;
  region?: string;
  frame_id?: number;
  value?: number | null;
  limit?: number | null;
  unit?: string;
  acknowledged_by?: string;
}

export interface Told {
  sequence: number;
  alert: Alert;
}

export interface Region {
  name: string;
  role: string;
}

export interface Limit {
  rule: string;
  region: string;
  quantity: string;
  warn: number | null;
  stop: number | null;
  unit: string;
}

export interface Plan {
  run_id: string;
  protocol_name: string;
  therapy: string;
  started_utc: string;
  regions: Region[];
  limits: Limit[];
  gate_margin_mm: number | null;
  max_outside_percent: number | null;
  frame_deadline_ms: number;
  lease_ms: number;
  frame_interval_s: number | null;
}

export interface Recorded {
  n_frames: number;
  times_s: (number | null)[];
  name: string;
}

export interface Welcome {
  type: "welcome";
  epoch: string;
  last_alert: number;
  open: Alert[];
  missed: Told[];
  is_whole: boolean;
  stale_ms: number;
  plan?: Plan | null;
  recorded?: Recorded | null;
}

export interface RegionReading {
  name: string;
  role: string;
  n_pixels: number;
  n_valid: number;
  temperature_max_c?: number | null;
  temperature_mean_c?: number | null;
  temperature_std_c?: number | null;
  dose_max_cem43_min?: number | null;
  dose_min_cem43_min?: number | null;
  peak_c?: number | null;
  final_cem43_min?: number | null;
  final_high_cem43_min?: number | null;
}

export type Pair = [y: number, x: number];

export interface Motion {
  displacement_mm: Pair | null;
  predicted_mm?: Pair | null;
  predicted_low_mm?: Pair | null;
  predicted_high_mm?: Pair | null;
  outside_percent?: number | null;
  predicted_outside_percent?: number | null;
  is_gate_open?: boolean;
  is_beam_on?: boolean | null;
  gate_center_mm?: Pair | null;
  similarity?: number | null;
  doubts?: string[];
}

export interface StructureDose {
  name: string;
  role: string;
  d98_gy: number;
  d95_gy: number;
  d50_gy: number;
  d2_gy: number;
  mean_gy: number;
  d003cc_gy: number;
  v95_percent?: number | null;
  v100_percent?: number | null;
}

export interface Delivered {
  mu: number;
  planned_mu: number;
  so_far: StructureDose[];
  planned: StructureDose[];
  forecast?: StructureDose[];
  unplaced_mu?: number;
  interrupted?: boolean;
  doubts?: string[];
}

export interface FrameWord {
  frame_id: number;
  outcome: "COMPUTED" | "LATE" | "FAULT";
  decision: string;
  age_ms: number;
  heard_ms: number;
  regions: RegionReading[];
  baseline_frames: number;
  baseline_wanted: number;
  time_s?: number | null;
  permit?: string;
  stage_ms?: Record<string, number> | null;
  lesion_mm3?: [number, number, number] | null;
  motion?: Motion | null;
  delivered?: Delivered | null;
}

export interface PermitWord {
  state: string;
  reason: string;
  left_ms: number;
}

export interface Beat {
  type: "beat";
  number: number;
  echo_ms: number | null;
  now_ms: number;
  silent_ms: number | null;
  permit: PermitWord;
  run_id: string;
  protocol_name: string;
  lease_ms: number;
  frame: FrameWord | null;
  misses_alerts: boolean;
  n_refused: number;
  preparing?: string;
  preparing_fraction?: number | null;
}

export interface History {
  type: "history";
  run_id: string;
  rows: FrameWord[];
}

export interface Acknowledged {
  type: "acknowledged";
  request: number;
  alert_id: number;
  status: string;
  text: string;
}

export type Message =
  | Welcome
  | History
  | Beat
  | Acknowledged
  | ({ type: "alert" } & Told)
  | ({ type: "permit" } & PermitWord)
  | { type: "plan"; plan: Plan | null }
  | { type: "frame"; frame: FrameWord; n_skipped?: number };

export type News = Message | { type: "picture"; data: ArrayBuffer } | { type: "closed"; code: number; reason: string };
