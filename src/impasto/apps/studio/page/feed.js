/** The event stream of all jobs; it reconnects by itself. */

const NAMES = ["hello", "job", "step", "gone", "picture", "full"];
const LONGEST_WAIT = 10_000; // ms between two attempts

/**
 * @param {(name: string, data: any) => void} hear an event
 * @param {(online: boolean) => void} tell whether the stream is connected
 */
export function follow(hear, tell) {
  let wait = 500;
  function open() {
    const source = new EventSource("/api/events");
    source.onopen = () => {
      wait = 500;
      tell(true);
    };
    source.onerror = () => {
      tell(false);
      if (source.readyState !== EventSource.CLOSED) return; // it tries again by itself
      setTimeout(open, wait);
      wait = Math.min(2 * wait, LONGEST_WAIT);
    };
    for (const name of NAMES) {
      source.addEventListener(name, (event) => hear(name, JSON.parse(event.data)));
    }
  }
  open();
}

/**
 * The state after an event.
 *
 * @param {{jobs: object[], pictures: object[], full: any}} state
 * @returns {object} the keys that change
 */
export function reduce(state, name, data) {
  if (name === "hello") return { jobs: data.jobs };
  if (name === "job") return isOlder(data, state.jobs) ? {} : { jobs: placed(state.jobs, data) };
  if (name === "step") {
    return { jobs: state.jobs.map((job) => (job.id === data.id ? { ...job, ...data } : job)) };
  }
  if (name === "gone") return { jobs: state.jobs.filter((job) => job.id !== data.id) };
  if (name === "picture") return { pictures: placed(state.pictures, data) };
  if (name === "full") return { full: data };
  return {};
}

/** Whether a later event was heard already: an answer to a command may come behind it. */
function isOlder(job, jobs) {
  return jobs.some((known) => known.id === job.id && known.updated > job.updated);
}

/** The list with the item in place of the one of its id, or first. */
function placed(items, item) {
  const known = items.some((other) => other.id === item.id);
  return known ? items.map((other) => (other.id === item.id ? item : other)) : [item, ...items];
}
