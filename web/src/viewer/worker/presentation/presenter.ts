import { makeCanvas2d } from './canvas2d';
import { type MakeSurface, type PresentationKind, presentationKinds, type Surface } from './surface';
import { makeWebGl2, whyNoWebGl2 } from './webgl2';
import { makeWebGpu, whyNoWebGpu } from './webgpu';

const names: Record<PresentationKind, string> = { webgpu: 'WebGPU', webgl2: 'WebGL2', canvas2d: 'Canvas 2D' };
const makers: Record<PresentationKind, MakeSurface> = { webgpu: makeWebGpu, webgl2: makeWebGl2, canvas2d: makeCanvas2d };

/** One that is lost so often in so long is left for the next. */
const lossesMax = 3;
const lossesWithinMs = 10_000;
/** A person's choice is left only when it was lost so often before it was so old: when it does not work at all. */
const livesMs = 300;
/** One that is lost as soon as it is made must not keep the processor busy. */
const againAfterMs = 200;
/** A browser whose GPU process has just died gives nothing for a moment: what worked is tried so often again. */
const refusalsMax = 2;

export interface PresentationFigures {
  readonly kind: PresentationKind;
  /** In words: why this one. */
  readonly reason: string;
  readonly losses: number;
  /** Why it was lost the last time; empty when it never was. */
  readonly lastLoss: string;
}

interface PresenterEvents {
  /** There is a surface, on which nothing is drawn yet; or none for a moment. */
  onSurface(surface: Surface | undefined): void;
  onFigures(figures: PresentationFigures): void;
  /** A canvas that had a context keeps it: a new one is wanted from the page, to be given with `giveCanvas`. */
  askForCanvas(): void;
}

/** Chooses what the picture is drawn with by what the machine does, and makes it anew when it is lost. */
export class Presenter {
  readonly #events: PresenterEvents;
  readonly #nowMs: () => number;
  /** What a person chose. */
  #wanted: PresentationKind | undefined;
  #kind: PresentationKind = 'canvas2d';
  #reason = '';
  #surface: Surface | undefined;
  /** Counts attempts, so that a surface that became ready too late is given back. */
  #attempt = 0;
  #losses = 0;
  #lastLoss = '';
  #lossesMs: number[] = [];
  #stillborn = 0;
  #refusals = 0;
  #madeMs = -Infinity;
  /** Why kinds are out of the question, or are no more. */
  readonly #unusable = new Map<PresentationKind, string>();

  constructor(events: PresenterEvents, nowMs: () => number) {
    this.#events = events;
    this.#nowMs = nowMs;
  }

  get figures(): PresentationFigures {
    return { kind: this.#kind, reason: this.#reason, losses: this.#losses, lastLoss: this.#lastLoss };
  }

  async start(canvas: OffscreenCanvas, wanted: PresentationKind | undefined): Promise<void> {
    this.#wanted = wanted;
    await this.#choose();
    await this.#make(canvas);
  }

  /** A person's choice; undefined leaves it to the machine. */
  async want(wanted: PresentationKind | undefined): Promise<void> {
    const before = this.#kind;
    this.#wanted = wanted;
    this.#unusable.clear();
    this.#lossesMs = [];
    this.#stillborn = 0;
    await this.#choose();
    if (this.#kind === before && this.#surface) this.#events.onFigures(this.figures);
    else this.#replace();
  }

  /** The answer to `askForCanvas`. */
  giveCanvas(canvas: OffscreenCanvas): void {
    void this.#make(canvas);
  }

  /** The surface cannot do what is needed: another kind, for this reason. */
  fail(why: string): void {
    // Nothing comes after it: what it cannot draw is not drawn.
    if (this.#kind === 'canvas2d') return;
    this.#unusable.set(this.#kind, `${names[this.#kind]}: ${why}`);
    this.#wanted = undefined;
    this.#lossesMs = [];
    this.#stillborn = 0;
    this.#takeAway();
    const attempt = this.#attempt;
    void this.#choose().then(() => {
      if (attempt === this.#attempt) this.#askForCanvas();
    });
  }

  /** Asks the machine, from the most wanted on. */
  async #choose(): Promise<void> {
    if (this.#wanted) {
      [this.#kind, this.#reason] = [this.#wanted, 'chosen by you'];
      return;
    }
    const webGpu = this.#unusable.get('webgpu') ?? await whyNoWebGpu();
    if (webGpu !== undefined) this.#unusable.set('webgpu', webGpu);
    const webGl2 = webGpu === undefined ? undefined : this.#unusable.get('webgl2') ?? whyNoWebGl2();
    if (webGl2 !== undefined) this.#unusable.set('webgl2', webGl2);
    this.#kind = presentationKinds.find(kind => !this.#unusable.has(kind)) ?? 'canvas2d';
    this.#reason = this.#unusable.size === 0 ? 'this machine has a graphics processor' : [...this.#unusable.values()].join('; ');
  }

  async #make(canvas: OffscreenCanvas): Promise<void> {
    const attempt = ++this.#attempt;
    this.#madeMs = this.#nowMs();
    let made: Surface | string;
    try {
      made = await makers[this.#kind](canvas, why => {
        if (attempt === this.#attempt) this.#lost(why);
      });
    } catch (error) {
      // Drivers fail in more ways than interfaces tell of.
      made = String(error);
    }
    if (attempt !== this.#attempt) {
      if (typeof made !== 'string') made.dispose();
      return;
    }
    if (typeof made === 'string') {
      // Nothing is left when even this one is refused; the reason says so.
      if (this.#kind === 'canvas2d') {
        this.#reason = made;
        this.#events.onFigures(this.figures);
      } else if (this.#lossesMs.length > 0 && ++this.#refusals <= refusalsMax) {
        this.#replace();
      } else {
        this.fail(made);
      }
      return;
    }
    this.#refusals = 0;
    this.#surface = made;
    this.#events.onFigures(this.figures);
    this.#events.onSurface(made);
  }

  #lost(why: string): void {
    this.#losses++;
    this.#lastLoss = why;
    const now = this.#nowMs();
    this.#lossesMs = this.#lossesMs.filter(atMs => atMs > now - lossesWithinMs);
    this.#lossesMs.push(now);
    this.#stillborn = now - this.#madeMs < livesMs ? this.#stillborn + 1 : 0;
    const isHopeless = this.#wanted === undefined ? this.#lossesMs.length >= lossesMax : this.#stillborn >= lossesMax;
    if (isHopeless && this.#kind !== 'canvas2d') {
      this.fail(`lost ${lossesMax} times in a short time, at last because ${why}`);
    } else {
      this.#replace();
    }
  }

  #replace(): void {
    this.#takeAway();
    this.#askForCanvas();
  }

  #takeAway(): void {
    // What is still being made is not wanted any more.
    this.#attempt++;
    this.#surface?.dispose();
    this.#surface = undefined;
    this.#events.onSurface(undefined);
  }

  #askForCanvas(): void {
    const attempt = this.#attempt;
    const waitMs = this.#madeMs + againAfterMs - this.#nowMs();
    if (waitMs <= 0) this.#events.askForCanvas();
    else setTimeout(() => { if (attempt === this.#attempt) this.#events.askForCanvas(); }, waitMs);
  }
}
