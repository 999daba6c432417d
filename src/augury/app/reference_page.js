// The page is whole without this; with it, one can search. Every word has to be found somewhere in an entry.
const box = document.querySelector("input[type=search]");
const entries = [...document.querySelectorAll("[data-find]")];
const groups = [...document.querySelectorAll("[data-group]")];
const menu = document.querySelector("nav details");

function search() {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const entry of entries) {
    entry.classList.toggle("hidden", !words.every((word) => entry.dataset.find.includes(word)));
  }
  for (const group of groups) {
    group.classList.toggle("hidden", !group.querySelector("[data-find]:not(.hidden)"));
  }
}

box.addEventListener("input", search);
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== box) {
    event.preventDefault();
    menu.open = true;
    box.focus();
  } else if (event.key === "Escape") {
    box.value = "";
    search();
  }
});
// A link to an entry that the search has hidden shows it again.
window.addEventListener("hashchange", () => {
  if (document.querySelector(`${CSS.escape ? "#" + CSS.escape(location.hash.slice(1)) : "x"}.hidden`)) {
    box.value = "";
    search();
    document.getElementById(location.hash.slice(1)).scrollIntoView();
  }
});
const narrow = window.matchMedia("(max-width: 860px)");
const fold = () => { menu.open = !narrow.matches; };
narrow.addEventListener("change", fold);
fold();
