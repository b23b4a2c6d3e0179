// Numbers as people read them.

export const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

export function number(value: number | null | undefined, digits: number): string {
  return value === null || value === undefined ? "–" : value.toFixed(digits);
}

// Three figures that count, whatever the size: 0.12, 3.4, 240, 12k.
export function amount(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  if (Math.abs(value) >= 10_000) return `${(value / 1000).toFixed(0)}k`;
  const digits = Math.abs(value) < 1 ? 2 : Math.abs(value) < 100 ? 1 : 0;
  return value.toFixed(digits);
}

export function clock(ms: number): string {
  const whole = Math.max(0, Math.ceil(ms / 1000));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

export function timeOfDay(date: Date): string {
  return date.toLocaleTimeString("en-GB");
}
