// The last so many of something, oldest first.

export class Ring<T> {
  #kept: T[] = [];
  #first = 0;

  constructor(readonly capacity: number) {}

  get length(): number {
    return this.#kept.length;
  }

  get last(): T | undefined {
    return this.length ? this.#kept[(this.#first + this.length - 1) % this.length] : undefined;
  }

  push(one: T): void {
    if (this.length < this.capacity) {
      this.#kept.push(one);
    } else {
      this.#kept[this.#first] = one;
      this.#first = (this.#first + 1) % this.capacity;
    }
  }

  clear(): void {
    this.#kept = [];
    this.#first = 0;
  }

  all(): T[] {
    return [...this.#kept.slice(this.#first), ...this.#kept.slice(0, this.#first)];
  }

  newest(n: number): T[] {
    return this.all().slice(-n);
  }
}
