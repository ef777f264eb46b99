const storageKey = 'vitrine.token';

/** What of the browser this needs; tests bring their own. */
export interface TokenPlaces {
  readonly location: { readonly href: string };
  readonly history: { replaceState(data: unknown, unused: string, url: string): void };
  readonly storage: { getItem(key: string): string | null; setItem(key: string, value: string): void };
}

/**
 * The access token, from the link or, after a reload, from this tab's memory. It is taken out of the address bar, so that
 * it does not end up in screenshots, the history or a pasted address.
 */
export function takeToken({ location, history, storage }: TokenPlaces): string | null {
  const url = new URL(location.href);
  const token = url.searchParams.get('t');
  if (token === null) return storage.getItem(storageKey);
  storage.setItem(storageKey, token);
  url.searchParams.delete('t');
  history.replaceState(null, '', url.href);
  return token;
}

export type PastedLink = { readonly open: string } | { readonly token: string } | undefined;

/** What a person pasted: a link to this host or another one, or a bare token. */
export function readPastedLink(text: string, here: string): PastedLink {
  const pasted = text.trim();
  if (pasted === '') return undefined;
  if (/^[\w.~-]+=*$/.test(pasted) && pasted.length <= 512) return { token: pasted };
  if (!URL.canParse(pasted)) return undefined;
  const url = new URL(pasted);
  // A page must not be talked into running a pasted «javascript:» link.
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return undefined;
  const token = url.searchParams.get('t');
  if (token === null) return undefined;
  return url.origin === new URL(here).origin ? { token } : { open: url.href };
}

export function keepToken(storage: TokenPlaces['storage'], token: string): void {
  storage.setItem(storageKey, token);
}
