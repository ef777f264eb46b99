import { DisplayState } from '../../wire/messages';
import type { Connection } from '../messages';

/** Every state a person can meet. Also the page's `data-state`, for styles and tests. */
export type State =
  | 'connecting' | 'live' | 'catchingUp'
  | 'hostGone' | 'hostClosing' | 'refused' | 'tooManyViewers' | 'tooManyFailures' | 'protocolError' | 'stalled' | 'internalError'
  | 'displayGone' | 'windowHidden' | 'sourceClosed'
  | 'noAccess' | 'versionMismatch' | 'pictureTooLarge' | 'browserTooOld';

export type Action = 'reconnect' | 'refresh' | 'reload' | 'dismiss' | 'paste' | 'copyAddress';

export interface Scene {
  readonly state: State;
  /** One or two words for the pill. */
  readonly word: string;
  /** Shape and colour of the mark: the word says the same. */
  readonly mood: 'good' | 'busy' | 'warn' | 'bad';
  /** Undefined: nothing covers the picture. */
  readonly notice?: {
    readonly title: string;
    readonly detail: string;
    readonly action: Action;
    readonly actionLabel: string;
  };
  /** All is well but for this: said beside the picture, not over it. */
  readonly remark?: {
    /** Two words for the pill. */
    readonly word: string;
    readonly detail: string;
  };
}

export interface Situation {
  readonly connection: Connection;
  /** State of the display, as the last Topology said; undefined before the first. */
  readonly display: number | undefined;
  /** Name of the host, or its address before it has said hello. */
  readonly host: string;
  /** What is shared, for people. */
  readonly source: string;
  /** How old the newest picture was when it was shown; null when that is not known. */
  readonly behindMs: number | null;
  readonly wasCatchingUp: boolean;
  /** Why H.264 is not decoded here, in words; undefined when it is. */
  readonly whyNoVideo: string | undefined;
}

/** Behind from 400 ms on, and until it is less than 250 ms: no flicker between the two. */
const behindFromMs = 400;
const behindUntilMs = 250;

export function sceneOf(situation: Situation): Scene {
  const { connection, display, host, source, behindMs } = situation;
  switch (connection.state) {
    case 'connecting':
      return {
        state: 'connecting',
        word: 'connecting',
        mood: 'busy',
        notice: {
          title: connection.waitingFor === 'answer' ? `Connecting to ${host}` : `Connected to ${host}`,
          detail: connection.waitingFor === 'answer' ? 'Waiting for the host to answer.' : 'Waiting for the first picture.',
          action: 'reconnect',
          actionLabel: 'Start again',
        },
      };
    case 'retrying': return retrying(connection.cause, connection.text, host);
    case 'stopped': return stopped(connection.cause, connection.text, source);
    case 'live': break;
  }
  if (display === DisplayState.DisplayGone) return displayGone(host);
  if (display === DisplayState.Closed) return stopped('sourceClosed', '', source);
  if (display === DisplayState.Hidden) {
    return {
      state: 'windowHidden',
      word: 'window hidden',
      mood: 'warn',
      notice: {
        title: 'The shared window is hidden',
        detail: `${source || 'It'} is minimised or on another workspace. The picture goes on as soon as it shows again.`,
        action: 'dismiss',
        actionLabel: 'Look at the last picture',
      },
    };
  }
  const isBehind = behindMs !== null && behindMs > (situation.wasCatchingUp ? behindUntilMs : behindFromMs);
  const remark = remarkOf(situation.whyNoVideo);
  if (isBehind) return { state: 'catchingUp', word: `catching up, ${(behindMs / 1_000).toFixed(1)} s behind`, mood: 'warn', ...remark };
  return { state: 'live', word: 'live', mood: 'good', ...remark };
}

function remarkOf(whyNoVideo: string | undefined): Pick<Scene, 'remark'> {
  if (whyNoVideo === undefined) return {};
  return { remark: { word: 'no video', detail: `${whyNoVideo}. The picture is exact, but what moves may be jerky.` } };
}

/** The same for a host that shares a display that went away, whether or not a picture was ever had. */
export function displayGone(host: string): Scene {
  return {
    state: 'displayGone',
    word: 'screen gone',
    mood: 'warn',
    notice: {
      title: 'The host is there, its screen is not',
      detail: `${host} lost its display server. The picture returns by itself when the display does.`,
      action: 'refresh',
      actionLabel: 'Ask again',
    },
  };
}

export function browserTooOld(): Scene {
  return {
    state: 'browserTooOld',
    word: 'browser too old',
    mood: 'bad',
    notice: {
      title: 'This browser is too old',
      detail: 'A current Chrome, Edge, Firefox or Safari will do. This one lacks:',
      action: 'copyAddress',
      actionLabel: 'Copy the address',
    },
  };
}

function retrying(cause: Extract<Connection, { state: 'retrying' }>['cause'], text: string, host: string): Scene {
  const scene = (word: string, mood: 'warn' | 'bad', title: string, detail: string): Scene => ({
    state: cause, word, mood, notice: { title, detail, action: 'reconnect', actionLabel: 'Try now' },
  });
  switch (cause) {
    case 'hostGone':
      return scene('host gone', 'bad', `${host} does not answer`, 'It may have stopped sharing, or the network between is down.');
    case 'hostClosing':
      return scene('host closed', 'bad', `${host} stopped sharing`, sentence(text, 'The picture returns if it starts again with the same link.'));
    case 'refused':
      return scene('refused', 'bad', `${host} refused the stream`, 'It answers, but not to this page. Open the link exactly as it was printed: same name, same port.');
    case 'tooManyViewers':
      return scene('no place', 'warn', 'All places are taken', sentence(text, `${host} has as many viewers as it allows. You get the next free place.`));
    case 'tooManyFailures':
      return scene('waiting', 'warn', 'Too many wrong links from here', 'The host makes this address wait before it may try again.');
    case 'protocolError':
      return scene('bad data', 'bad', 'The stream did not make sense', sentence(text, 'Starting over gets a clean picture.'));
    case 'stalled':
      return scene('stalled', 'warn', 'This viewer stopped answering', 'The device may have slept. Starting over gets the newest picture.');
    case 'internalError':
      return scene('host failed', 'bad', `${host} had an error`, sentence(text, 'Its log says more.'));
  }
}

function stopped(cause: Extract<Connection, { state: 'stopped' }>['cause'], text: string, source: string): Scene {
  switch (cause) {
    case 'noAccess':
      return {
        state: 'noAccess',
        word: 'no access',
        mood: 'bad',
        notice: {
          title: 'This link gives no access',
          detail: 'Ask whoever shares the screen for a new link. It is printed where “vitrine up” runs, and changes with every start.',
          action: 'paste',
          actionLabel: 'Open',
        },
      };
    case 'versionMismatch':
      return {
        state: 'versionMismatch',
        word: 'version differs',
        mood: 'bad',
        notice: {
          title: 'Host and page differ in version',
          detail: sentence(text, 'The host was probably updated while this page was open.'),
          action: 'reload',
          actionLabel: 'Load the page again',
        },
      };
    case 'sourceClosed':
      return {
        state: 'sourceClosed',
        word: 'closed',
        mood: 'warn',
        notice: {
          title: 'The shared window was closed',
          detail: sentence(text, `${source || 'It'} is gone; this was its last picture.`),
          action: 'reconnect',
          actionLabel: 'Look again',
        },
      };
    case 'pictureTooLarge':
      return {
        state: 'pictureTooLarge',
        word: 'too large',
        mood: 'bad',
        notice: {
          title: 'The picture is too large for this browser',
          detail: `There is no memory for ${text} pixels. Close other tabs, or have a smaller part shared.`,
          action: 'reload',
          actionLabel: 'Load the page again',
        },
      };
  }
}

/** The host's own words where it gave some, as a sentence. */
function sentence(text: string, otherwise: string): string {
  const words = text.trim();
  if (words === '') return otherwise;
  const first = words[0].toUpperCase() + words.slice(1);
  return /[.!?…]$/.test(first) ? first : `${first}.`;
}
