(function () {
  "use strict";
  var data = JSON.parse(document.getElementById("table").textContent);
  var rows = data.rows, area = data.area;
  var names = { "pooled": "an average laboratory", "new-lab": "a new laboratory",
    "assurance": "not knowing the average", "discounted": "the literature discounted" };
  function at(id) { return document.getElementById(id); }
  function percent(p) {
    if (p >= 0.995) { return p < 1 ? ">99%" : "100%"; }
    if (p < 0.005) { return p > 0 ? "<1%" : "0%"; }
    return Math.round(100 * p) + "%";
  }

  // The curve: a size and a target are chosen, the numbers come from the embedded table.
  var svg = document.querySelector("#figure-curve svg");
  function shape(tag, name) {
    var made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    made.setAttribute("class", name);
    svg.appendChild(made);
    return made;
  }
  var line = shape("line", "marker"), dot = shape("circle", "dot");
  var chosen = at("choose-n"), target = at("choose-target");
  function across(n) {
    var first = rows[0].n, last = rows[rows.length - 1].n;
    return area.left + (n - first) / (last - first) * (area.right - area.left);
  }
  function taken(own) {
    if (!own || own.n === null) { return " is reached by no number up to a million per group."; }
    return " takes " + own.n + " per group, " + own.animals + " in all.";
  }
  function show() {
    var row = rows[chosen.value - rows[0].n], goal = target.value / 100, needed = null;
    var own = row.success[data.plan_for], x = across(row.n);
    for (var i = 0; i < rows.length; i += 1) {
      if (rows[i].success[data.plan_for] >= goal) { needed = rows[i]; break; }
    }
    at("shown-n").textContent = row.n;
    at("shown-target").textContent = target.value + "%";
    var text = row.n + " per group, " + row.animals + " in all" +
      (row.ordered === row.animals ? "" : ", " + row.ordered + " to order") + ": ";
    text += Object.keys(row.success).map(function (truth) {
      return percent(row.success[truth]) + " (" + names[truth] + ")";
    }).join(", ") + ". Of 100 such experiments, " + Math.round(100 * row.no_answer) +
      " end without an answer. A chance of " + target.value + "% in " + names[data.plan_for] +
      taken(needed || data.beyond.filter(function (own) { return own.percent === Number(target.value); })[0]);
    at("explored").textContent = text;
    // 1.02 is the top of the axis.
    var y = area.bottom - own / 1.02 * (area.bottom - area.top);
    line.setAttribute("x1", x); line.setAttribute("x2", x);
    line.setAttribute("y1", area.top); line.setAttribute("y2", area.bottom);
    dot.setAttribute("cx", x); dot.setAttribute("cy", y); dot.setAttribute("r", 4);
  }
  chosen.min = rows[0].n; chosen.max = rows[rows.length - 1].n; chosen.value = data.planned;
  target.value = Math.round(100 * data.target);
  chosen.addEventListener("input", show);
  target.addEventListener("input", show);
  at("explore").hidden = false;
  show();

  // What only the laboratory knows: typed once, shown wherever it is marked.
  function cages(size) {
    document.querySelectorAll(".cages[data-design]").forEach(function (cell) {
      var own = data.designs[Number(cell.dataset.design)];
      var mark = cell.querySelector(".fill");
      if (mark && size >= 1) {
        mark.textContent = data.treated * Math.ceil(own.treated / size) + Math.ceil(own.control / size);
      }
    });
  }
  document.querySelectorAll("#lab input").forEach(function (input) {
    input.addEventListener("input", function () {
      var name = input.dataset["for"], typed = input.value.trim(), used = typed;
      // Cages are counted from it: anything but a whole number leaves the mark.
      if (name === "animals per cage" && !/^[1-9][0-9]{0,2}$/.test(typed)) { used = ""; }
      document.querySelectorAll(".fill[data-fill]").forEach(function (mark) {
        if (mark.dataset.fill === name) {
          mark.textContent = used || "[" + name + "]";
          mark.classList.toggle("filled", used !== "");
        }
      });
      input.setCustomValidity(typed && !used ? "A whole number of animals, 1 to 999." : "");
      if (name === "animals per cage" && used) { cages(Number(used)); }
    });
  });
  at("lab").hidden = false;

  document.querySelectorAll("button.copy").forEach(function (button) {
    button.hidden = false;
    button.addEventListener("click", function () {
      var source = at(button.dataset.copy), range = document.createRange();
      range.selectNodeContents(source);
      var selection = window.getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      var done = false;
      try { done = document.execCommand("copy"); } catch (error) { done = false; }
      at("copied").textContent = done ? "Copied." : "Selected: copy with Ctrl+C.";
    });
  });
}());
