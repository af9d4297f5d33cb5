"use strict";

for (const film of document.querySelectorAll(".film")) {
  const frames = [...film.querySelectorAll("img")];
  const slider = film.querySelector("input"), title = film.querySelector("output"), button = film.querySelector("button");
  let timer = null;

  const show = () => {
    frames.forEach((frame, index) => { frame.hidden = index !== slider.valueAsNumber; });
    title.textContent = frames[slider.valueAsNumber].dataset.title;
  };
  const stop = () => {
    clearInterval(timer);
    timer = null;
    button.textContent = "▶";
  };
  const step = () => {
    slider.value = (slider.valueAsNumber + 1) % frames.length;
    show();
    if (slider.valueAsNumber === frames.length - 1) stop();
  };
  slider.addEventListener("input", () => { stop(); show(); });
  button.addEventListener("click", () => {
    if (timer !== null) return stop();
    button.textContent = "❚❚";
    timer = setInterval(step, 250);
  });
  slider.value = frames.length - 1;  // browsers remember a slider when a page is loaded again
}

for (const chart of document.querySelectorAll(".chart")) {
  const svg = chart.querySelector("svg"), cursor = chart.querySelector(".cursor"), at = chart.querySelector(".at");
  const curves = [...chart.querySelectorAll(".key")].map(key => ({
    points: JSON.parse(key.dataset.points),
    value: key.querySelector("output"),
  }));

  const nearest = (points, place) =>
    points.reduce((best, point) => (Math.abs(point[0] - place) < Math.abs(best[0] - place) ? point : best));
  const point = place => {
    for (const { points, value } of curves) {
      const [found, images, text] = nearest(points, place);
      value.textContent = text;
      at.textContent = `at ${images.toLocaleString("en")}`;
      cursor.setAttribute("x1", found);
      cursor.setAttribute("x2", found);
    }
    cursor.style.visibility = "visible";
  };
  svg.addEventListener("pointermove", event => {
    const box = svg.getBoundingClientRect();
    point((event.clientX - box.left) / box.width * svg.viewBox.baseVal.width);
  });
  svg.addEventListener("pointerleave", () => {
    for (const { points, value } of curves) value.textContent = points.at(-1)[2];
    at.textContent = "";
    cursor.style.visibility = "hidden";
  });
}
