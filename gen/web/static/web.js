// The gallery, copying, and reports that are as high as what they hold.
(() => {
  document.documentElement.lang = "en";
  document.addEventListener("click", async (event) => {
    const copy = event.target.closest?.("[data-copy]");
    if (copy) {
      await navigator.clipboard?.writeText(copy.closest(".lines").querySelector("pre").textContent);
      copy.textContent = "Copied";
      setTimeout(() => { copy.textContent = "Copy"; }, 1500);
      return;
    }
    const small = event.target.closest?.(".small");
    if (!small) return;
    const result = small.closest(".result"), paper = result.querySelector(".ecg-paper");
    for (const each of result.querySelectorAll(".small")) each.removeAttribute("aria-current");
    small.setAttribute("aria-current", "true");
    paper.dataset.source = small.dataset.paper;
    paper.querySelector('select[data-do="layout"]').dispatchEvent(new Event("change", { bubbles: true }));
    paper.scrollIntoView({ block: "nearest" });
  });
  document.addEventListener("load", (event) => {
    const frame = event.target;
    if (!frame.matches?.("iframe.report")) return;
    const fit = () => { frame.style.height = `${frame.contentDocument.documentElement.scrollHeight + 20}px`; };
    fit();
    setTimeout(fit, 400);
  }, true);
})();
