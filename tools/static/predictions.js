// What the reader predicted is remembered on this machine only; numbers are compared with the outcome.
// Without this script, the options and the answer to a number are folded, and open as they are.
const memory = {  // a browser may refuse its storage: then nothing is remembered
  get: name => { try { return localStorage.getItem(`dpss ${name}`); } catch { return null; } },
  set: (name, said) => { try { localStorage.setItem(`dpss ${name}`, said); } catch { } },
  clear: name => { try { localStorage.removeItem(`dpss ${name}`); } catch { } },
};

function element(name, text, properties = {}) {
  return Object.assign(document.createElement(name), {textContent: text, ...properties});
}

function addForget(box, reset) {
  const button = element("button", "Forget what I said", {type: "button", className: "dpss-forget"});
  button.addEventListener("click", () => {
    memory.clear(box.id);
    button.remove();
    reset();
    box.querySelector("summary, input").focus();
  });
  box.append(button);
}

function choose(box) {
  const options = [...box.querySelectorAll(":scope > details")];
  const mark = k => {
    options[k].querySelector("summary").append(element("span", " (your guess)", {className: "dpss-guess"}));
    addForget(box, () => {
      box.querySelector(".dpss-guess").remove();
      for (const option of options) option.open = false;
    });
  };
  const said = memory.get(box.id);
  if (options[said]) mark(said);
  for (const [k, option] of options.entries())
    option.addEventListener("toggle", () => {
      if (!option.open || box.querySelector(".dpss-guess")) return;
      memory.set(box.id, k);
      mark(k);
    });
}

function number(box) {
  const answer = box.querySelector(":scope > details");
  const {outcome, within} = box.dataset;
  const form = element("form"), label = element("label", "Your number: ");
  const input = element("input", "", {inputMode: "decimal", autocomplete: "off", size: 8});
  const verdict = element("p", "", {role: "status"});
  label.append(input);
  form.append(label, element("button", "Compare"));
  answer.before(form, verdict);
  const compare = said => {
    const error = said - outcome, kind = Math.abs(error) <= within ? "right" : error < 0 ? "less" : "more";
    verdict.textContent = `You said ${said}. ` +
      {right: "That is right.", less: "That is too small.", more: "That is too large."}[kind];
    for (const other of ["less", "more"])
      answer.querySelector(`.dpss-${other}`).hidden = other !== kind;
    input.value = said;
    if (!box.querySelector(".dpss-forget")) addForget(box, () => {
      input.value = verdict.textContent = "";
      answer.open = false;
      for (const part of answer.querySelectorAll("[hidden]")) part.hidden = false;
    });
  };
  form.addEventListener("submit", event => {
    event.preventDefault();
    const said = Number(input.value.trim().replace(",", ".").replace("−", "-"));
    if (!input.value.trim() || !Number.isFinite(said)) {
      verdict.textContent = "Write a number, such as 0.5.";
      return;
    }
    if (memory.get(box.id) === null) memory.set(box.id, said);
    compare(said);
    answer.open = true;
  });
  const said = memory.get(box.id);
  if (said !== null && Number.isFinite(Number(said))) compare(Number(said));
}

for (const box of document.querySelectorAll(".dpss-prediction"))
  box.dataset.outcome === undefined ? choose(box) : number(box);
