import { makeCanvas2d, makeCanvas2dInMemory } from './canvas2d';
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
  /** There is a surface, on which nothing is drawn yet; or none for a moment. It takes the place of what is on `before`, for this call. */
  onSurface(surface: Surface | undefined, before?: OffscreenCanvas): void;
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
  /** That of a stand-in that is drawn on: Canvas 2D in memory, until what was lost is made anew. */
  #standIn: OffscreenCanvas | undefined;
  /** What is made next is a stand-in. */
  #isStandInWanted = false;
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
    const reason = this.#standIn ? `it stands in for ${names[this.#kind]} after a loss` : this.#reason;
    return { kind: this.#surface?.kind ?? this.#kind, reason, losses: this.#losses, lastLoss: this.#lastLoss };
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

  /** The page has animation turns again: what was lost can be made without waiting for the browser. */
  calm(): void {
    if (!this.#standIn || !this.#isStandInWanted) return;
    this.#isStandInWanted = false;
    this.#askForCanvas();
  }

  /** The surface cannot do what is needed: another kind, for this reason. */
  fail(why: string): void {
    // Nothing comes after it: what it cannot draw is not drawn.
    if (this.#kind === 'canvas2d' || this.#standIn) return;
    this.#takeAway();
    this.#giveUp(why);
  }

  #giveUp(why: string): void {
    this.#unusable.set(this.#kind, `${names[this.#kind]}: ${why}`);
    this.#wanted = undefined;
    this.#lossesMs = [];
    this.#stillborn = 0;
    this.#refusals = 0;
    this.#isStandInWanted = false;
    const attempt = this.#attempt;
    void this.#choose().then(() => {
      if (attempt !== this.#attempt) return;
      if (this.#kind === 'canvas2d' && this.#standIn) {
        // It is one.
        this.#standIn = undefined;
        this.#events.onFigures(this.figures);
      } else {
        this.#askForCanvas();
      }
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
    const isStandIn = this.#isStandInWanted;
    let made: Surface | string | undefined;
    const onLost = (why: string): void => {
      // A stand-in is drawn on while the next one is being made.
      if (attempt === this.#attempt || (made !== undefined && made === this.#surface)) this.#lost(why, isStandIn && this.#kind !== 'canvas2d');
    };
    try {
      made = await (isStandIn ? makeCanvas2dInMemory : makers[this.#kind])(canvas, onLost);
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
      if (isStandIn) {
        this.#isStandInWanted = false;
        this.#askForCanvas();
      } else if (this.#kind === 'canvas2d') {
        this.#reason = made;
        this.#events.onFigures(this.figures);
      } else if (this.#lossesMs.length > 0 && ++this.#refusals <= refusalsMax) {
        this.#askForCanvas();
      } else {
        this.#giveUp(made);
      }
      return;
    }
    const [before, standIn] = [this.#surface, this.#standIn];
    this.#surface = made;
    this.#standIn = isStandIn ? canvas : undefined;
    this.#events.onFigures(this.figures);
    this.#events.onSurface(made, standIn);
    before?.dispose();
    if (!isStandIn) this.#refusals = 0;
  }

  #lost(why: string, isStandIn: boolean): void {
    if (isStandIn) {
      this.#replace(true);
      return;
    }
    this.#losses++;
    this.#lastLoss = why;
    const now = this.#nowMs();
    this.#lossesMs = this.#lossesMs.filter(atMs => atMs > now - lossesWithinMs);
    this.#lossesMs.push(now);
    this.#stillborn = now - this.#madeMs < livesMs ? this.#stillborn + 1 : 0;
    const isHopeless = this.#wanted === undefined ? this.#lossesMs.length >= lossesMax : this.#stillborn >= lossesMax;
    if (isHopeless && this.#kind !== 'canvas2d') {
      this.#takeAway();
      this.#giveUp(`lost ${lossesMax} times in a short time, at last because ${why}`);
    } else {
      this.#replace(this.#kind !== 'canvas2d');
    }
  }

  #replace(isStandInWanted = false): void {
    this.#takeAway();
    this.#isStandInWanted = isStandInWanted;
    this.#askForCanvas();
  }

  #takeAway(): void {
    // What is still being made is not wanted any more.
    this.#attempt++;
    this.#surface?.dispose();
    this.#surface = this.#standIn = undefined;
    this.#events.onSurface(undefined);
  }

  #askForCanvas(): void {
    const attempt = this.#attempt;
    const waitMs = this.#madeMs + againAfterMs - this.#nowMs();
    if (waitMs <= 0) this.#events.askForCanvas();
    else setTimeout(() => { if (attempt === this.#attempt) this.#events.askForCanvas(); }, waitMs);
  }
}
