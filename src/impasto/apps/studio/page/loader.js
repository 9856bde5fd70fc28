/** Pictures that follow their addresses: one request under way, the latest address wins. */

/**
 * @param {Element} holder gets the img as its last child
 */
export function createLoader(holder) {
  let wanted = null; // address
  let shown = null;
  let busy = false;
  let image = null;
  let times = 0; // cleared so often

  async function load() {
    if (busy || !wanted || wanted === shown) return;
    busy = true;
    const [address, before] = [wanted, times];
    const next = new Image();
    next.alt = "";
    next.draggable = false;
    next.src = address;
    const whole = await next.decode().then(() => true, () => false);
    busy = false;
    if (whole && times === before) swap(next, address);
    if (!whole && wanted === address) wanted = shown; // keep what there is
    load();
  }

  function swap(next, address) {
    if (image) image.replaceWith(next);
    else holder.append(next);
    image = next;
    shown = address;
  }

  return {
    /** Show this address once it is loaded; null shows nothing at once. */
    show(address) {
      wanted = address;
      if (address === null) this.clear();
      else load();
    },
    clear() {
      times += 1;
      wanted = null;
      shown = null;
      image?.remove();
      image = null;
    },
  };
}
