# SPDX-License-Identifier: MIT
"""From a case's runs to rows: medians, ratios, and whether the bars are met."""

import statistics

from measure import Missing, figures, spread, version

PYTHON_NO_POOL = "py_commands"


class Result:
    """A case's figures, a list a contender, and why some have none."""

    def __init__(self, case):
        self.case = case
        self.values = {}   # by contender's name, the figure of each round
        self.raw = {}      # the same as the programs printed it, for cases alike
        self.missing = {}  # by contender's name, in words

    def contenders(self):
        case = self.case
        return [case.covey, *case.peers, *([case.bound] if case.bound else [])]

    def add(self, contender, raw):
        self.raw.setdefault(contender.name, []).append(raw)
        self.values.setdefault(contender.name, []).append(self.case.value(raw))

    def take_from(self, other):
        for contender in self.contenders():
            for raw in other.raw.get(contender.name, []):
                self.add(contender, raw)
        self.missing = dict(other.missing)

    def ratio(self, name):
        """
        How many times better covey is: the median of the rounds' ratios, as both ran in each
        round. None where one of them has no figures.
        """
        ours, theirs = self.values.get(self.case.covey.name), self.values.get(name)
        if not ours or not theirs:
            return None
        more = self.case.more_is_better
        return statistics.median((a / b if more else b / a) if a and b else 0
                                 for a, b in zip(ours, theirs))

    def best(self, python=False):
        """The name of the peer that comes closest to covey, or is furthest ahead."""
        ratios = {p.name: self.ratio(p.name) for p in self.case.peers
                  if not python or (p.program.startswith("py_") and p.program != PYTHON_NO_POOL)}
        ratios = {name: r for name, r in ratios.items() if r is not None}
        return min(ratios, key=ratios.get) if ratios else None

    def judge(self, bar):
        """Whom the bar is about (None: nobody), and whether it is met (None: not judged)."""
        ours = self.values.get(self.case.covey.name)
        if not ours:
            return None, None
        if bar.against is None:
            figure = statistics.median(ours)
            return None, figure <= bar.at_most if bar.at_most else figure >= bar.at_least
        name = {"best": self.best(), "best Python": self.best(python=True),
                "bound": self.case.bound and self.case.bound.name}.get(bar.against, bar.against)
        ratio = self.ratio(name)
        return name, None if ratio is None else ratio >= bar.at_least


def run(case, settings, results, progress):
    """Measures a case: all contenders in turn, round after round."""
    result = Result(case)
    if case.like and case.like in results:
        result.take_from(results[case.like])
        return result
    contenders = result.contenders()
    for turn in range(1 if case.once else settings.rounds):
        for contender in contenders:
            python = contender.program.startswith("py_") or contender.measure
            if contender.name in result.missing or (python and turn >= settings.rounds_python):
                continue
            progress(f"{case.name}: {contender.name}, round {turn + 1}")
            try:
                raw = (contender.measure(settings) if contender.measure else
                       figures(contender.program, contender.arguments, settings))
                result.add(contender, raw)
                version(contender.program, settings)
            except Missing as reason:
                result.missing[contender.name] = str(reason)
    return result


def rows(result, settings):
    """The case's rows for results.json: one a peer, one a bar that is about no peer."""
    case = result.case

    def side(prefix, name):
        if not result.values.get(name):
            return {prefix: None}
        middle, low, high = spread(result.values[name])
        return {prefix: middle, prefix + "_low": low, prefix + "_high": high}

    judged = [(bar, *result.judge(bar)) for bar in case.bars]
    about_none = [j for j in judged if j[0].against in (None, "bound")] or [(None, None, None)]
    common = {"group": case.group, "case": case.name, "unit": case.unit,
              **side("covey", case.covey.name)}
    if case.bound:
        common |= {"bound_name": case.bound.name, **side("bound", case.bound.name),
                   "share_of_bound": result.ratio(case.bound.name)}
    else:
        common |= {"bound_name": None, "bound": None, "share_of_bound": None}
    out = []
    if case.bound or about_none[0][0] or not case.peers:
        bar, _, met = about_none[0]
        out.append({**common, "peer_name": None, "peer_version": None, "peer": None,
                    "ratio": None, "bar": bar and bar.words, "met": met})
    for peer in case.peers:
        mine = [(bar, met) for bar, name, met in judged
                if name == peer.name and bar.against not in (None, "bound")]
        bar, met = mine[0] if mine else (None, None)
        row = {**common, "peer_name": peer.name,
               "peer_version": settings.versions.get(peer.program), **side("peer", peer.name),
               "ratio": result.ratio(peer.name), "bar": bar and bar.words, "met": met}
        if peer.name in result.missing:
            row["skipped"] = result.missing[peer.name]
        out.append(row)
    return out
