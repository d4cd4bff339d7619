/** Tells its watchers at most once per animation frame that something changed: the screen is drawn once, however many messages came. */
export class Frames {
  private readonly watchers = new Set<() => void>();
  private scheduled = false;
  private version = 0;

  readonly watch = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  readonly getVersion = (): number => this.version;

  changed(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      this.version++;
      for (const watcher of this.watchers) watcher();
    });
  }
}
