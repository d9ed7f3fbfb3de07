package countersign.rules.require_identity_test

import data.countersign.lib.fixtures_test as fixtures
import data.countersign.rules.require_identity

test_deny[name] if {
	some name, given in {
		"fires on an anonymous caller": {
			"input": object.union(fixtures.request, {"subject": {"authenticated": false}}),
			"settings": {"identity": {"required": true}},
			"want": _refusal,
		},
		"fires in the response phase as well": {
			"input": object.union(fixtures.response, {"subject": {"authenticated": false}}),
			"settings": {"identity": {"required": true}},
			"want": _refusal,
		},
		"fires when the input does not say": {
			"input": object.remove(fixtures.request, ["subject"]),
			"settings": {"identity": {"required": true}},
			"want": _refusal,
		},
		"fires when the setting is missing": {
			"input": object.union(fixtures.request, {"subject": {"authenticated": false}}),
			"settings": {},
			"want": _refusal,
		},
		"does not fire on a verified caller": {
			"input": fixtures.request,
			"settings": {"identity": {"required": true}},
			"want": set(),
		},
		"does not fire where anonymous callers are let in": {
			"input": object.union(fixtures.request, {"subject": {"authenticated": false}}),
			"settings": {"identity": {"required": false}},
			"want": set(),
		},
	}

	got := require_identity.deny with input as given.input with data.settings as given.settings
	got == given.want
}

_refusal := {{"status": 401, "code": "identity_required", "message": "a verified identity is required"}}
