package countersign.rules.mask_secrets_test

import data.countersign.lib.fixtures_test as fixtures
import data.countersign.rules.mask_secrets

test_redact[name] if {
	some name, given in {
		"fires by the plan of the settings": {
			"input": fixtures.request,
			"settings": {"mask": {"request": {"secrets": [{"entity": "PASSPORT_*", "method": "drop", "roles": ["user"]}]}}},
			"want": {{"entity": "PASSPORT_*", "method": "drop", "roles": ["user"]}},
		},
		"fires by its own plan when the setting is missing": {
			"input": fixtures.request,
			"settings": {},
			"want": {{"entity": "SECRET_*", "method": "label"}},
		},
		"does not fire where the setting is an empty list": {
			"input": fixtures.request,
			"settings": {"mask": {"request": {"secrets": []}}},
			"want": set(),
		},
		"does not fire in the other phase": {
			"input": fixtures.response,
			"settings": {},
			"want": set(),
		},
		"does not fire when the input does not say its phase": {
			"input": object.remove(fixtures.request, ["phase"]),
			"settings": {},
			"want": set(),
		},
	}

	got := mask_secrets.redact with input as given.input with data.settings as given.settings
	got == given.want
}
