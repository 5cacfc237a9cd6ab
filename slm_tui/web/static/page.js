// Starts the terminal of textual.js, which waits for the page to be loaded, in the place and the letters of this page.
"use strict";

const terminal = document.querySelector(".textual-terminal");
const scheme = matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
terminal.dataset.sessionWebsocketUrl = `${location.origin.replace("http", "ws")}/ws/${scheme}`;
terminal.dataset.fontSize = innerWidth < 600 ? "13" : "16";

const start = window.onload; // textual.js measures a letter at once
window.onload = async (event) => {
  await Promise.allSettled(["", "bold ", "italic "].map((style) => document.fonts.load(`${style}16px "Roboto Mono"`)));
  start(event);
};
new MutationObserver((_, observer) => {  // there is something to type into
  if (document.body.classList.contains("-first-byte")) {
    observer.disconnect();
    document.querySelector(".xterm-helper-textarea").focus();
  }
}).observe(document.body, {attributeFilter: ["class"]});
document.querySelectorAll("button").forEach((button) => button.addEventListener("click", () => location.reload()));
