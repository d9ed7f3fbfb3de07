# METADATA
# title: Entry points
# description: |
#   The only entry points, and the only place that composes. Each folder under rules/ adds to sets (`deny`, `hold`,
#   `redact`, `restore`, `omit`, `label`, `capture`); this file alone turns them into a decision. Deny beats hold, hold beats allow,
#   redactions are the union. What cannot be composed, because an entry has the wrong shape, is denied.
package countersign

# METADATA
# title: Request decision
# description: Whether a request may go to the model, must wait for a human, or is refused; and how it is masked.
# entrypoint: true
request := _decision if input.phase == "request"

# METADATA
# title: Response decision
# description: How the model's answer is masked, or that it is refused. Taken when the answer's headers arrive.
# entrypoint: true
response := _decision if input.phase == "response"

default _decision := {
	"action": "deny",
	"rules": ["main"],
	"reasons": [{"rule": "main", "message": "policy reached no decision"}],
	"redact": [{"entity": "*", "method": "drop"}],
	"restore": [],
	"omit": [],
	"deny": {"status": 403, "code": "policy_undecided", "message": "policy reached no decision"},
	"hold": null,
	"labels": {},
	"capture": "masked",
}

_decision := {
	"action": _action,
	"rules": sort({id | some [id, _] in ((((((_denials | _holds) | _redactions) | _restorations) | _omissions) | _tags) | _captures)}),
	"reasons": _reasons,
	"redact": sort({entry | some [_, entry] in _redactions}),
	"restore": sort({entry | some [_, entry] in _restorations}),
	"omit": sort({entry | some [_, entry] in _omissions}),
	"deny": _denial,
	"hold": _terms,
	"labels": _labels,
	"capture": _capture,
} if {
	count(_misshapen) == 0
}

# What the rules added, each entry with the id of its rule.

_denials contains [id, entry] if some entry in data.countersign.rules[id].deny

_denials contains ["main", {
	"code": "approvers_conflict",
	"message": "no approver group satisfies every rule that holds this exchange",
}] if {
	count(_holds) > 0
	count(_approvers) == 0
}

_holds contains [id, entry] if {
	some entry in data.countersign.rules[id].hold
	object.get(entry, "enforce", true) != false
}

# A rule on trial (`"enforce": false`) holds nothing; what it would have held goes on record.
_tags contains [id, {"name": "would_hold", "value": id}] if {
	some entry in data.countersign.rules[id].hold
	entry.enforce == false
}

_redactions contains [id, entry] if some entry in data.countersign.rules[id].redact

_restorations contains [id, entry] if some entry in data.countersign.rules[id].restore

_omissions contains [id, entry] if some entry in data.countersign.rules[id].omit

_tags contains [id, entry] if some entry in data.countersign.rules[id].label

_captures contains [id, entry] if some entry in data.countersign.rules[id].capture

# A rule that says `deny if ...` where it meant `deny contains ... if ...` must not pass for one that had nothing to add.
_misshapen contains id if {
	entries := data.countersign.rules[id].deny
	not is_set(entries)
}

_misshapen contains id if {
	entries := data.countersign.rules[id].hold
	not is_set(entries)
}

_misshapen contains id if {
	entries := data.countersign.rules[id].redact
	not is_set(entries)
}

_misshapen contains id if {
	entries := data.countersign.rules[id].restore
	not is_set(entries)
}

_misshapen contains id if {
	entries := data.countersign.rules[id].omit
	not is_set(entries)
}

_misshapen contains id if {
	some [id, entry] in _holds
	not object.get(entry, ["approvers", "match"], "any") in {"any", "all"}
}

_misshapen contains id if {
	some [id, entry] in _captures
	not entry in {"full", "masked", "metadata"}
}

_action := "deny" if {
	count(_denials) > 0
} else := "hold" if {
	count(_holds) > 0
} else := "allow"

_reasons := [{"rule": id, "message": message} |
	some [id, message] in sort({[id, entry.message] | some [id, entry] in (_denials | _holds)})
]

# One refusal is told to the caller: the one with the lowest status, so that "who are you" comes before "you may not".
_denial := null if _action != "deny"

_denial := {"status": status, "code": code, "message": message} if {
	_action == "deny"
	[status, _, code, message] := min({[status, id, code, entry.message] |
		some [id, entry] in _denials
		status := object.get(entry, "status", 403)
		code := object.get(entry, "code", "policy_denied")
	})
}

# Several holds become one that satisfies each: approvers that all of them accept, the larger quorum, the shorter times.
_terms := null if _action != "hold"

_terms := {
	"approvers": {
		"groups": sort(_approvers),
		"match": _match,
		"quorum": max({term.approvers.quorum | some term in _full_terms}),
	},
	"ttl_s": min({term.ttl_s | some term in _full_terms}),
	"wait_s": min({term.wait_s | some term in _full_terms}),
	"grant": {
		"uses": min({term.grant.uses | some term in _full_terms}),
		"ttl_s": min({term.grant.ttl_s | some term in _full_terms}),
	},
	"require_reason": true in {term.require_reason | some term in _full_terms},
	"require_requester_reason": true in {term.require_requester_reason | some term in _full_terms},
	"return_reason": {term.return_reason | some term in _full_terms} == {true},
	"allow_self_approval": {term.allow_self_approval | some term in _full_terms} == {true},
	"break_glass": {"groups": sort(intersection({{group | some group in term.break_glass.groups} |
		some term in _full_terms
	}))},
} if {
	_action == "hold"
}

_full_terms contains object.union(object.union(_milder, data.settings.hold), entry) if some [_, entry] in _holds

# What settings of an earlier version do not have.
_milder := {
	"approvers": {"match": "any"},
	"require_requester_reason": false,
	"return_reason": true,
	"allow_self_approval": false,
	"break_glass": {"groups": []},
}

# Groups of which each must agree, and sets of groups of which any may. A single group is both.
_each contains group if {
	_match == "all"
	some term in _full_terms
	_is_each(term)
	some group in term.approvers.groups
}

_any contains {group | some group in term.approvers.groups} if {
	some term in _full_terms
	not _is_each(term)
}

_is_each(term) if term.approvers.match == "all"

_is_each(term) if {
	_match == "all"
	count(term.approvers.groups) == 1
}

_match := "all" if {
	some term in _full_terms
	term.approvers.match == "all"
} else := "any"

# Where each group must agree, a rule that any of its groups satisfies is satisfied by one of them.
default _approvers := set()

_approvers := intersection(_any) if {
	_match == "any"
}

_approvers := _each if {
	_match == "all"
	every groups in _any {
		count(groups & _each) > 0
	}
	every term in _full_terms {
		count(term.approvers.groups) > 0
	}
}

_labels := {name: concat(", ", sort(values)) |
	some name in {tag.name | some [_, tag] in _tags}
	values := {tag.value | some [_, tag] in _tags; tag.name == name}
}

_capture := "metadata" if {
	some [_, "metadata"] in _captures
} else := "masked" if {
	some [_, "masked"] in _captures
} else := data.settings.capture
