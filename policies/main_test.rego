package countersign_test

import data.countersign
import data.countersign.lib.fixtures_test as fixtures

# Composition, on rules made up for the test.
test_composition[name] if {
	some name, given in {
		"nothing added: allow": {
			"rules": {"a": {}, "b": {"deny": set(), "hold": set(), "redact": set(), "label": set()}},
			"want": _allow,
		},
		"redactions are the union, labels are joined, every rule that added is named": {
			"rules": {
				"a": {"redact": {_token("*")}, "label": {{"name": "kind", "value": "x"}, {"name": "kind", "value": "y"}}},
				"b": {"redact": {_token("*"), _token("IBAN_CODE")}, "label": {{"name": "kind", "value": "x"}}},
				"c": {"label": {{"name": "other", "value": "z"}}},
			},
			"want": object.union(_allow, {
				"rules": ["a", "b", "c"],
				"redact": [_token("*"), _token("IBAN_CODE")],
				"labels": {"kind": "x, y", "other": "z"},
			}),
		},
		"restorations are the union": {
			"rules": {"a": {"restore": {{"entity": "IBAN_CODE"}}}, "b": {"restore": {{"entity": "*", "tools": true}}}},
			"want": object.union(_allow, {
				"rules": ["a", "b"],
				"restore": [{"entity": "*", "tools": true}, {"entity": "IBAN_CODE"}],
			}),
		},
		"omissions are the union": {
			"rules": {"a": {"omit": {{"blocks": "signed"}}}, "b": {"omit": {{"blocks": "encrypted"}, {"blocks": "signed"}}}},
			"want": object.union(_allow, {
				"rules": ["a", "b"],
				"omit": [{"blocks": "encrypted"}, {"blocks": "signed"}],
			}),
		},
		"the strictest capture counts: metadata": {
			"rules": {"a": {"capture": {"masked"}}, "b": {"capture": {"full", "metadata"}}},
			"want": object.union(_allow, {"rules": ["a", "b"], "capture": "metadata"}),
		},
		"the strictest capture counts: masked": {
			"rules": {"a": {"capture": {"masked"}}},
			"want": object.union(_allow, {"rules": ["a"], "capture": "masked"}),
		},
		"a rule may ask for no less than the settings": {
			"rules": {"a": {"capture": {"full"}}},
			"want": object.union(_allow, {"rules": ["a"], "capture": "full"}),
		},
		"a hold gets its missing terms from the settings": {
			"rules": {"a": {"hold": {_hold("a waits", {"groups": ["g"]})}}},
			"want": object.union(_allow, {
				"action": "hold",
				"rules": ["a"],
				"reasons": [{"rule": "a", "message": "a waits"}],
				"hold": object.union(data.settings.hold, {"approvers": {"groups": ["g"]}}),
			}),
		},
		"several holds become one that satisfies each": {
			"rules": {
				"a": {"hold": {object.union(
					_hold("a waits", {"groups": ["g", "h"], "quorum": 2}),
					{"ttl_s": 60, "wait_s": 30, "grant": {"uses": 5, "ttl_s": 10}},
				)}},
				"b": {"hold": {object.union(
					_hold("b waits", {"groups": ["h", "i"]}),
					{"ttl_s": 90, "wait_s": 20, "grant": {"uses": 2, "ttl_s": 20}, "require_reason": true},
				)}},
			},
			"want": object.union(_allow, {
				"action": "hold",
				"rules": ["a", "b"],
				"reasons": [{"rule": "a", "message": "a waits"}, {"rule": "b", "message": "b waits"}],
				"hold": {
					"approvers": {"groups": ["h"], "match": "any", "quorum": 2},
					"ttl_s": 60,
					"wait_s": 20,
					"grant": {"uses": 2, "ttl_s": 10},
					"require_reason": true,
					"require_requester_reason": false,
					"return_reason": true,
					"allow_self_approval": false,
					"break_glass": {"groups": []},
				},
			}),
		},
		"what one rule demands, all demand; what one rule forbids, none allows": {
			"rules": {
				"a": {"hold": {object.union(_hold("a waits", {"groups": ["g"]}), {
					"require_requester_reason": true,
					"allow_self_approval": true,
					"break_glass": {"groups": ["oncall", "duty"]},
				})}},
				"b": {"hold": {object.union(
					_hold("b waits", {"groups": ["g"]}),
					{"return_reason": false, "break_glass": {"groups": ["oncall"]}},
				)}},
			},
			"want": _held(["a", "b"], {
				"approvers": {"groups": ["g"]},
				"require_requester_reason": true,
				"return_reason": false,
				"break_glass": {"groups": ["oncall"]},
			}),
		},
		"a rule may let people decide about their own requests": {
			"rules": {"a": {"hold": {object.union(_hold("a waits", {"groups": ["g"]}), {"allow_self_approval": true})}}},
			"want": _held(["a"], {"approvers": {"groups": ["g"]}, "allow_self_approval": true}),
		},
		"each group of a rule has to agree; a single group is one more, a choice is left to one of them": {
			"rules": {
				"a": {"hold": {_hold("a waits", {"groups": ["g", "h"], "match": "all"})}},
				"b": {"hold": {_hold("b waits", {"groups": ["i"]})}},
				"c": {"hold": {_hold("c waits", {"groups": ["h", "j"]})}},
			},
			"want": _held(["a", "b", "c"], {"approvers": {"groups": ["g", "h", "i"], "match": "all"}}),
		},
		"a choice that none of the groups satisfies: deny": {
			"rules": {
				"a": {"hold": {_hold("a waits", {"groups": ["g", "h"], "match": "all"})}},
				"b": {"hold": {_hold("b waits", {"groups": ["i", "j"]})}},
			},
			"want": _conflict(["a", "b"]),
		},
		"each of no groups: deny": {
			"rules": {
				"a": {"hold": {_hold("a waits", {"groups": [], "match": "all"})}},
				"b": {"hold": {_hold("b waits", {"groups": ["g"]})}},
			},
			"want": _conflict(["a", "b"]),
		},
		"a rule on trial holds nothing, and is on record": {
			"rules": {
				"a": {"hold": {object.union(_hold("a waits", {"groups": ["g"]}), {"enforce": false})}},
				"b": {"hold": {object.union(_hold("b waits", {"groups": ["g"]}), {"enforce": false})}},
			},
			"want": object.union(_allow, {"rules": ["a", "b"], "labels": {"would_hold": "a, b"}}),
		},
		"only false is a trial": {
			"rules": {"a": {"hold": {object.union(_hold("a waits", {"groups": ["g"]}), {"enforce": "false"})}}},
			"want": _held(["a"], {"approvers": {"groups": ["g"]}}),
		},
		"a misspelt match: no decision": {
			"rules": {"a": {"hold": {_hold("a waits", {"groups": ["g"], "match": "every"})}}},
			"want": _undecided,
		},
		"holds without a common approver: deny": {
			"rules": {
				"a": {"hold": {_hold("a waits", {"groups": ["g"]})}},
				"b": {"hold": {_hold("b waits", {"groups": ["h"]})}},
			},
			"want": object.union(_allow, {
				"action": "deny",
				"rules": ["a", "b", "main"],
				"reasons": [
					{"rule": "a", "message": "a waits"},
					{"rule": "b", "message": "b waits"},
					{"rule": "main", "message": _no_approvers},
				],
				"deny": {"status": 403, "code": "approvers_conflict", "message": _no_approvers},
			}),
		},
		"a hold without approvers: deny": {
			"rules": {"a": {"hold": {{"message": "a waits"}}}},
			"want": object.union(_allow, {
				"action": "deny",
				"rules": ["a", "main"],
				"reasons": [{"rule": "a", "message": "a waits"}, {"rule": "main", "message": _no_approvers}],
				"deny": {"status": 403, "code": "approvers_conflict", "message": _no_approvers},
			}),
		},
		"deny beats hold; the lowest status is told; redactions stay": {
			"rules": {
				"a": {"deny": {{"message": "not you"}}, "redact": {_token("*")}},
				"b": {"deny": {{"message": "who are you", "status": 401, "code": "identity_required"}}},
				"c": {"hold": {_hold("c waits", {"groups": ["g"]})}},
			},
			"want": object.union(_allow, {
				"action": "deny",
				"rules": ["a", "b", "c"],
				"reasons": [
					{"rule": "a", "message": "not you"},
					{"rule": "b", "message": "who are you"},
					{"rule": "c", "message": "c waits"},
				],
				"redact": [_token("*")],
				"deny": {"status": 401, "code": "identity_required", "message": "who are you"},
			}),
		},
		"a deny without a message: no decision": {"rules": {"a": {"deny": {{"status": 401}}}}, "want": _undecided},
		"a deny that is no set: no decision": {"rules": {"a": {"deny": true}}, "want": _undecided},
		"a hold that is no set: no decision": {"rules": {"a": {"hold": {"message": "x"}}}, "want": _undecided},
		"a redact that is no set: no decision": {"rules": {"a": {"redact": [_token("*")]}}, "want": _undecided},
		"an omit that is no set: no decision": {"rules": {"a": {"omit": [{"blocks": "signed"}]}}, "want": _undecided},
		"a restore that is no set: no decision": {"rules": {"a": {"restore": [{"entity": "*"}]}}, "want": _undecided},
		"a misspelt capture: no decision": {"rules": {"a": {"capture": {"metdata"}}}, "want": _undecided},
	}

	request := countersign.request with input as fixtures.request with data.countersign.rules as given.rules
	response := countersign.response with input as fixtures.response with data.countersign.rules as given.rules
	request == given.want
	response == given.want
}

test_phase_chooses_the_entry_point[name] if {
	some name, given in {
		"request": {"input": fixtures.request, "request": 1, "response": 0},
		"response": {"input": fixtures.response, "request": 0, "response": 1},
		"missing": {"input": object.remove(fixtures.request, ["phase"]), "request": 0, "response": 0},
		"unknown": {"input": object.union(fixtures.request, {"phase": "other"}), "request": 0, "response": 0},
	}
	request := [1 | countersign.request with input as given.input]
	response := [1 | countersign.response with input as given.input]
	count(request) == given.request
	count(response) == given.response
}

test_shipped_rules_allow_an_ordinary_request if {
	countersign.request == object.union(_allow, {
		"rules": ["mask_personal_data", "mask_secrets"],
		"redact": [_token("*"), {"entity": "SECRET_*", "method": "label"}],
	}) with input as fixtures.request
}

test_settings_of_an_earlier_version if {
	settings := object.union(
		object.remove(data.settings, ["hold"]),
		{"hold": {
			"approvers": {"groups": [], "quorum": 1},
			"ttl_s": 3600,
			"wait_s": 0,
			"grant": {"uses": 1, "ttl_s": 900},
			"require_reason": false,
		}},
	)
	rules := {"a": {"hold": {_hold("a waits", {"groups": ["g"]})}}}
	want := _held(["a"], {"approvers": {"groups": ["g"]}})
	got := countersign.request with input as fixtures.request
		with data.countersign.rules as rules
		with data.settings as settings
	got == want
}

_held(ids, changes) := object.union(_allow, {
	"action": "hold",
	"rules": ids,
	"reasons": [{"rule": id, "message": concat(" ", [id, "waits"])} | some id in ids],
	"hold": object.union(data.settings.hold, changes),
})

_conflict(ids) := object.union(_allow, {
	"action": "deny",
	"rules": array.concat(ids, ["main"]),
	"reasons": array.concat(
		[{"rule": id, "message": concat(" ", [id, "waits"])} | some id in ids],
		[{"rule": "main", "message": _no_approvers}],
	),
	"deny": {"status": 403, "code": "approvers_conflict", "message": _no_approvers},
})

_allow := {
	"action": "allow",
	"rules": [],
	"reasons": [],
	"redact": [],
	"restore": [],
	"omit": [],
	"deny": null,
	"hold": null,
	"labels": {},
	"capture": "full",
}

_undecided := {
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

_no_approvers := "no approver group satisfies every rule that holds this exchange"

_token(entity) := {"entity": entity, "method": "token"}

_hold(message, approvers) := {"message": message, "approvers": approvers}
