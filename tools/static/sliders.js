// Sliders tell screen readers their name and value (the widgets themselves say only the position).
document.addEventListener("focusin", event => {
  const slider = event.target, box = slider.closest?.(".widget-inline-hbox");
  const label = box?.querySelector(".widget-label"), readout = box?.querySelector(".widget-readout");
  if (slider.getAttribute("role") !== "slider" || !label || !readout || slider.hasAttribute("aria-label")) return;
  slider.setAttribute("aria-label", label.textContent);
  const tell = () => {
    if (slider.getAttribute("aria-valuetext") !== readout.textContent)
      slider.setAttribute("aria-valuetext", readout.textContent);
  };
  const watch = new MutationObserver(tell);
  watch.observe(slider, {attributes: true, attributeFilter: ["aria-valuetext"]});
  watch.observe(readout, {childList: true, characterData: true, subtree: true});
  tell();
});
