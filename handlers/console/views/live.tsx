/** Whether the page is kept up to date. The script says how it stands; without it the page says how to see changes. */
export function Live() {
  return (
    <p class="live" id="live" data-state="off">
      <span class="live-dot" aria-hidden="true" />
      <span id="live-text">Reload to see changes</span>
    </p>
  );
}
