import { Lost, Problem } from './lines';

/** What the page can be in; also its `data-state`, for styles and tests. */
export type State = 'connecting' | 'live' | 'paused' | 'past' | 'hostGone' | 'busy' | 'noAccess' | 'viewOnly' | 'eventsOff' | 'tooMuch' | 'refused' | 'failed';

export type Mend = 'retry' | 'paste' | 'shorter' | 'usual';

export interface Trouble {
  readonly state: State;
  readonly title: string;
  readonly detail: string;
  readonly mend: Mend;
  /** It is tried again by itself. */
  readonly isPassing: boolean;
}

export const noAccess: Trouble = {
  state: 'noAccess',
  title: 'This link gives no access',
  detail: 'Start the host with “--administer on”: it prints a link to this page, which changes with every start.',
  mend: 'paste',
  isPassing: false,
};

/** Why nothing comes, and what mends it. */
export function troubleOf(error: unknown, host: string): Trouble {
  if (error instanceof Lost) {
    return {
      state: 'hostGone', title: `${host} does not answer`, detail: 'It may have stopped, or the network between is down. What was told stays here.', mend: 'retry', isPassing: true,
    };
  }
  if (!(error instanceof Problem)) throw error; // a fault of this page
  const detail = error.message;
  switch (error.status) {
    case 401: return noAccess;
    case 403:
      return {
        state: 'viewOnly',
        title: 'This link may look at the screen, and not at events',
        detail: 'They say who looked, and from where. Start the host with “--administer on”: it prints the link for them.',
        mend: 'paste',
        isPassing: false,
      };
    case 429: return { state: 'busy', title: 'The host answers as many as it may', detail, mend: 'retry', isPassing: true };
    case 503: return { state: 'hostGone', title: 'Events cannot be read now', detail, mend: 'retry', isPassing: true };
    default: break;
  }
  switch (error.code) {
    case 'FAILED_PRECONDITION': return { state: 'eventsOff', title: 'There are no events to show', detail, mend: 'retry', isPassing: false };
    case 'OUT_OF_RANGE': return { state: 'tooMuch', title: 'That is too much at a time', detail, mend: 'shorter', isPassing: false };
    case 'INVALID_ARGUMENT': return { state: 'refused', title: 'That cannot be searched for', detail, mend: 'usual', isPassing: false };
    default: return { state: 'failed', title: 'The host failed', detail, mend: 'retry', isPassing: false };
  }
}

export const mendNames: Record<Mend, string> = { retry: 'Try now', paste: 'Open', shorter: 'Look at 15 minutes', usual: 'Take all filters away' };
