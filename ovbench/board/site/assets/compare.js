// Two systems of one table side by side. Everything from records is set as text, never as markup.
(function () {
  "use strict";
  var data = JSON.parse(document.getElementById("data").textContent);
  var selects = ["a", "b"].map(function (id) { return document.getElementById(id); });
  var out = document.getElementById("out");
  var status = document.getElementById("status");
  var ITEMS = 30;
  var answers = new Map();
  var waiting = new Map();

  // Each system's answers are a script of their own, which calls this.
  window.ovbenchAnswers = function (id, text) { answers.set(id, JSON.parse(text)); };

  function load(id) {
    if (!data.items || answers.has(id)) { return Promise.resolve(answers.get(id) || null); }
    if (!waiting.has(id)) {
      waiting.set(id, new Promise(function (done) {
        if (!data.items.systems.includes(id)) { done(null); return; }
        var script = document.createElement("script");
        script.src = id + ".js";
        script.onload = function () { done(answers.get(id) || null); };
        script.onerror = function () { done(null); };
        document.head.append(script);
      }));
    }
    return waiting.get(id);
  }

  function make(name, options, children) {
    var element = document.createElement(name);
    Object.entries(options || {}).forEach(function (pair) {
      if (pair[0] === "text") { element.textContent = pair[1]; } else { element.setAttribute(pair[0], pair[1]); }
    });
    (children || []).forEach(function (child) { if (child) { element.append(child); } });
    return element;
  }
  function bdi(text) { return make("bdi", { text: text }); }
  function points(value) { return value === null || value === undefined ? "–" : (100 * value).toFixed(2); }
  function signed(value) { return value === null ? "–" : (value > 0 ? "+" : "") + (100 * value).toFixed(2); }
  function number(content, options) { return make("td", Object.assign({ "class": "number" }, options || {}), [content]); }

  var tables = 0;
  function table(title, heads, rows) {
    tables += 1;
    var id = "table-" + tables;
    var head = make("tr", {}, heads.map(function (one) {
      var kind = { scope: "col", "class": one.kind || "" };
      if (one.first) { kind["data-first"] = one.first; }
      return make("th", kind, [make("button", { type: "button", "class": "sort", text: one.name })]);
    }));
    return make("div", {}, [
      make("h2", { id: id, text: title }),
      make("div", { "class": "scroll", role: "region", "aria-labelledby": id, tabindex: "0" }, [
        make("table", { "class": "sortable n-last", "aria-labelledby": id }, [make("thead", {}, [head]), make("tbody", {}, rows)])
      ])
    ]);
  }
  function heading(content) { return make("th", { scope: "row", "class": "name" }, [content]); }

  function facts(a, b) {
    var rows = Object.keys(a.facts).filter(function (name) { return a.facts[name] !== null || b.facts[name] !== null; });
    return table("What they are", [{ name: "Field", kind: "name", first: "ascending" }, { name: "A", kind: "words" }, { name: "B", kind: "words" }],
      rows.map(function (name) {
        return make("tr", {}, [heading(name)].concat([a, b].map(function (one) {
          var value = one.facts[name];
          var text = value === null ? "–" : typeof value === "number" ? value.toLocaleString("en") : value;
          return make("td", { "class": "words" }, [bdi(text)]);
        })));
      }));
  }

  function score(system, at) {
    var found = system.scores[at];
    if (!found) { return document.createTextNode("–"); }
    var link = make("a", { href: "../records/" + system.id + ".html", text: points(found[0]) });
    var interval = found[1] === null || found[2] === null ? null : make("span", { "class": "soft", text: " [" + points(found[1]) + ", " + points(found[2]) + "]" });
    return make("span", {}, [link, interval]);
  }
  function scores(a, b) {
    return table("Scores", [{ name: "Score", kind: "name", first: "ascending" }, { name: "A", kind: "number" }, { name: "B", kind: "number" }, { name: "A − B", kind: "number" }],
      data.columns.map(function (name, at) {
        var one = a.scores[at], two = b.scores[at];
        var difference = one && two ? one[0] - two[0] : null;
        return make("tr", {}, [
          heading(bdi(name)),
          number(score(a, at), { "data-sort": one ? one[0] : "" }),
          number(score(b, at), { "data-sort": two ? two[0] : "" }),
          number(signed(difference), { "data-sort": difference === null ? "" : difference })
        ]);
      }));
  }

  function verdict(a, b, id) {
    var test = a.tests && a.tests[data.items.systems.indexOf(id)];
    if (!test || test.includes(null)) { return null; }
    return make("p", {}, [bdi(data.columns[0]), ", A − B: 95 % interval [" + signed(test[0]) + ", " + signed(test[1]) + "], p = " + test[2].toPrecision(2) +
      " (paired over items, two-sided, not corrected for the number of pairs)."]);
  }

  function f1(both, named, gold) { return named + gold ? 2 * both / (named + gold) : null; }
  function gap(one, two) { return one === null || two === null ? null : one - two; }
  function at(list, index) { return list && list[index] || 0; }
  function sum(list) { return (list || []).reduce(function (total, one) { return total + one; }, 0); }

  var COUNTED = [
    { name: "In gold", kind: "number" }, { name: "A names", kind: "number" }, { name: "A right", kind: "number" },
    { name: "B names", kind: "number" }, { name: "B right", kind: "number" },
    { name: "F1 of A", kind: "number" }, { name: "F1 of B", kind: "number" }, { name: "A − B", kind: "number" }
  ];
  function counted(gold, a, b) {
    var one = f1(a.both, a.named, gold), two = f1(b.both, b.named, gold), difference = gap(one, two);
    return [gold, a.named, a.both, b.named, b.both].map(function (value) { return number(String(value)); }).concat(
      [[one, points], [two, points], [difference, signed]].map(function (pair) {
        return number(pair[1](pair[0]), { "data-sort": pair[0] === null ? "" : pair[0] });
      }));
  }
  function rings(a, b) {
    return table(data.items.rings.length > 1 ? "Rings of the wheels: all clusters together" : "All classes together", [{ name: "Ring", kind: "name", first: "ascending" }].concat(COUNTED),
      data.items.rings.map(function (ring) {
        var one = a.counts[ring.name], two = b.counts[ring.name];
        return make("tr", {}, [heading(bdi(ring.name))].concat(counted(sum(ring.gold),
          { named: sum(one.named), both: sum(one.both) }, { named: sum(two.named), both: sum(two.both) })));
      }));
  }
  function clusters(a, b) {
    var choice = make("select", { id: "ring" }, data.items.rings.map(function (ring, index) { return make("option", { value: String(index), text: ring.name }); }));
    var place = make("div");
    function show() {
      var ring = data.items.rings[Number(choice.value)], one = a.counts[ring.name], two = b.counts[ring.name];
      place.replaceChildren(table("Clusters of " + ring.name, [{ name: "Cluster", kind: "name", first: "ascending" }].concat(COUNTED),
        ring.clusters.map(function (cluster, index) {
          return make("tr", {}, [heading(bdi(cluster))].concat(counted(at(ring.gold, index),
            { named: at(one.named, index), both: at(one.both, index) }, { named: at(two.named, index), both: at(two.both, index) })));
        })));
    }
    choice.addEventListener("change", show);
    show();
    return make("div", {}, [data.items.rings.length > 1 ? make("p", {}, [make("label", { "for": "ring", text: "Ring " }), choice]) : null, place]);
  }

  function trace(code) {
    var places = data.items.places[code] || [];
    var found = data.items.rings.map(function (ring, index) {
      return places[index] >= 0 ? ring.name + ": " + ring.clusters[places[index]] : null;
    }).filter(Boolean);
    return found.length ? found.join("; ") : "no cluster on any ring";
  }
  function labels(codes) {
    if (!codes || !codes.length) { return make("span", { "class": "soft", text: "no label" }); }
    return make("span", {}, codes.flatMap(function (code, index) { return [index ? ", " : "", bdi(data.items.labels[code])]; }));
  }
  function traces(lists) {
    var codes = Array.from(new Set(lists.flat().filter(function (code) { return code !== undefined; })));
    if (!codes.length || !data.items.places.some(function (one) { return one.length; })) { return null; }
    return make("details", {}, [make("summary", { text: "traces" }), make("ul", { "class": "labels" }, codes.map(function (code) {
      return make("li", {}, [bdi(data.items.labels[code]), " → " + trace(code)]);
    }))]);
  }
  // Where gold may not be handed on there are no items' scores either: those whose labels differ.
  function chosen(a, b) {
    var all = data.items.ids.map(function (id, index) {
      return { index: index, gap: data.items.gold ? gap(a.scores[index], b.scores[index]) : null };
    });
    if (!data.items.gold) {
      return all.filter(function (one) { return String(a.labels[one.index]) !== String(b.labels[one.index]); });
    }
    return all.filter(function (one) { return one.gap; }).sort(function (one, two) {
      return Math.abs(two.gap) - Math.abs(one.gap) || one.index - two.index;
    });
  }
  function items(a, b) {
    var gold = data.items.gold, differing = chosen(a, b), some = differing.length > ITEMS;
    var answered = [{ name: "Answer of A", kind: "words" }, { name: "Answer of B", kind: "words" }];
    var scored = [{ name: "A", kind: "number" }, { name: "B", kind: "number" }, { name: "A − B", kind: "number" }];
    var heads = [{ name: "Item", kind: "name", first: "ascending" }].concat(gold ? [{ name: "Gold", kind: "words" }] : [], answered, gold ? scored : []);
    var rows = differing.slice(0, ITEMS).map(function (one) {
      var index = one.index, mine = gold ? gold[index] : [];
      var lists = [mine, a.labels[index] || [], b.labels[index] || []];
      return make("tr", {}, [make("th", { scope: "row", "class": "name" }, [bdi(data.items.ids[index]), traces(lists)])].concat(
        gold ? [make("td", { "class": "words" }, [labels(mine)])] : [],
        [make("td", { "class": "words" }, [labels(lists[1])]), make("td", { "class": "words" }, [labels(lists[2])])],
        gold ? [number(points(a.scores[index]), { "data-sort": a.scores[index] }), number(points(b.scores[index]), { "data-sort": b.scores[index] }),
          number(signed(one.gap), { "data-sort": one.gap })] : []));
    });
    var count = differing.length, title = gold
      ? (some ? "The " + ITEMS + " items where they differ most, of " + count + " that differ" : "The " + count + " items where they differ")
      : (some ? "The first " + ITEMS + " items whose answers differ, of " + count : "The " + count + " items whose answers differ");
    return make("div", {}, [table(title, heads, rows), make("p", { "class": "soft", text: gold
      ? "An item’s own agreement with gold: the mean over the rings of F1 of its clusters, or whether the class is right."
      : "The gold of this data set may not be handed on, so neither it nor an item’s agreement with it is printed." })]);
  }

  function show() {
    var pair = selects.map(function (select) { return data.systems[Number(select.value)]; });
    try { window.history.replaceState(null, "", "#a=" + pair[0].id + "&b=" + pair[1].id); } catch (error) { /* not kept */ }
    tables = 0;
    Promise.all(pair.map(function (one) { return load(one.id); })).then(function (found) {
      if (selects.some(function (select, index) { return data.systems[Number(select.value)] !== pair[index]; })) { return; }
      var parts = [scores(pair[0], pair[1])];
      var tested = found[0] && found[1] && pair[0] !== pair[1] ? verdict(found[0], found[1], pair[1].id) : null;
      if (tested) { parts.push(tested); }
      parts.push(facts(pair[0], pair[1]));
      if (found[0] && found[1]) {
        if (data.items.rings.length) { parts.push(rings(found[0], found[1]), clusters(found[0], found[1])); }
        parts.push(items(found[0], found[1]));
      } else {
        parts.push(make("p", { "class": "soft", text: data.items
          ? "Clusters and items are compared where both records carry predictions of the task’s items."
          : "Clusters and items are not compared: that needs the predictions of both systems and, when these pages were written, the task’s gold." }));
      }
      out.replaceChildren.apply(out, parts);
      out.dataset.pair = pair[0].id + " " + pair[1].id;
      status.textContent = "Comparing " + pair[0].name + " (A) with " + pair[1].name + " (B)";
    });
  }

  selects.forEach(function (select, place) {
    data.systems.forEach(function (system, index) {
      select.append(make("option", { value: String(index), text: system.name + (system.facts.unranked ? " (unranked)" : "") }));
    });
    var wanted = new RegExp("[#&]" + "ab"[place] + "=([0-9a-f]{12})(&|$)").exec(window.location.hash);
    var found = wanted ? data.systems.findIndex(function (system) { return system.id === wanted[1]; }) : -1;
    select.value = String(found >= 0 ? found : Math.min(place, data.systems.length - 1));
    select.addEventListener("change", show);
  });
  document.getElementById("swap").addEventListener("click", function () {
    var first = selects[0].value;
    selects[0].value = selects[1].value;
    selects[1].value = first;
    show();
  });
  show();
})();
