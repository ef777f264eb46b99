/** One table feeds the handler and the list of keys. */
export interface Key {
  /** KeyboardEvent.key values that mean it. */
  readonly keys: readonly string[];
  readonly shown: string;
  readonly does: string;
  readonly run: () => void;
}

export function listenForKeys(table: readonly Key[], isBlocked: () => boolean): void {
  document.addEventListener('keydown', event => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || isBlocked()) return;
    if (event.target instanceof HTMLInputElement && event.target.type !== 'checkbox') return; // letters are letters there
    const entry = table.find(({ keys }) => keys.includes(event.key));
    if (!entry) return;
    event.preventDefault();
    entry.run();
  });
}

export function fillKeyList(list: HTMLElement, table: readonly Key[]): void {
  for (const { shown, does } of table) {
    const pair = document.createElement('div');
    const term = document.createElement('dt');
    for (const key of shown.split(' ')) {
      const cap = document.createElement('kbd');
      cap.textContent = key;
      term.append(cap);
    }
    const meaning = document.createElement('dd');
    meaning.textContent = does;
    pair.append(term, meaning);
    list.append(pair);
  }
}
