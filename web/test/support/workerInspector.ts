import type { CDPSession, Page } from 'playwright-core';

/** Looks into the page's worker the way developer tools do: its heap, and how many objects of a kind are alive. */
export class WorkerInspector {
  readonly #session: CDPSession;
  readonly #worker: string;
  #id = 0;
  readonly #answers = new Map<number, (result: Record<string, unknown>) => void>();

  private constructor(session: CDPSession, worker: string) {
    this.#session = session;
    this.#worker = worker;
    session.on('Target.receivedMessageFromTarget', ({ message }) => {
      const { id, result, error } = JSON.parse(message) as { id?: number; result?: Record<string, unknown>; error?: { message: string } };
      if (id === undefined) return;
      if (error) throw new Error(error.message);
      this.#answers.get(id)?.(result ?? {});
      this.#answers.delete(id);
    });
  }

  static async attach(page: Page): Promise<WorkerInspector> {
    const session = await page.context().newCDPSession(page);
    const attached = new Promise<string>(resolve => {
      session.on('Target.attachedToTarget', ({ sessionId, targetInfo }) => {
        if (targetInfo.type === 'worker') resolve(sessionId);
      });
    });
    await session.send('Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart: false, flatten: false });
    return new WorkerInspector(session, await attached);
  }

  async #ask<T>(method: string, params: Record<string, unknown> = {}): Promise<T> {
    const id = ++this.#id;
    const answer = new Promise<Record<string, unknown>>(resolve => this.#answers.set(id, resolve));
    await this.#session.send('Target.sendMessageToTarget', { sessionId: this.#worker, message: JSON.stringify({ id, method, params }) });
    return await answer as T;
  }

  /** Evaluates in the worker. */
  async evaluate<T>(expression: string): Promise<T> {
    const { result } = await this.#ask<{ result: { value: T } }>('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
    return result.value;
  }

  /** Bytes of the worker's heap after collecting what nobody uses. */
  async heapBytes(): Promise<number> {
    await this.#ask('HeapProfiler.collectGarbage');
    const { usedSize } = await this.#ask<{ usedSize: number }>('Runtime.getHeapUsage');
    return usedSize;
  }

  /** How many objects of each class are alive after collecting what nobody uses. */
  async alive(classes: readonly string[]): Promise<Record<string, number>> {
    await this.#ask('HeapProfiler.collectGarbage');
    const counts: Record<string, number> = {};
    for (const name of classes) {
      const prototype = await this.#ask<{ result: { objectId?: string } }>('Runtime.evaluate', { expression: `globalThis.${name}?.prototype` });
      if (prototype.result.objectId === undefined) continue;
      const found = await this.#ask<{ objects: { objectId: string } }>('Runtime.queryObjects', { prototypeObjectId: prototype.result.objectId });
      const length = await this.#ask<{ result: { value: number } }>('Runtime.callFunctionOn', {
        objectId: found.objects.objectId, functionDeclaration: 'function () { return this.length; }', returnByValue: true,
      });
      counts[name] = length.result.value;
      await this.#ask('Runtime.releaseObject', { objectId: found.objects.objectId });
    }
    return counts;
  }
}
