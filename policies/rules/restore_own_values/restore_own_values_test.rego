package countersign.rules.restore_own_values_test

import data.countersign.lib.fixtures_test as fixtures
import data.countersign.rules.restore_own_values

test_restore[name] if {
	some name, given in {
		"fires by the settings": {
			"input": fixtures.request,
			"settings": {"restore": [{"entity": "EMAIL_ADDRESS"}, {"entity": "IBAN_*", "tools": true}]},
			"want": {{"entity": "EMAIL_ADDRESS"}, {"entity": "IBAN_*", "tools": true}},
		},
		"does not fire where the setting is an empty list": {
			"input": fixtures.request,
			"settings": {"restore": []},
			"want": set(),
		},
		"does not fire when the setting is missing": {
			"input": fixtures.request,
			"settings": {},
			"want": set(),
		},
		"does not fire in the other phase": {
			"input": fixtures.response,
			"settings": {"restore": [{"entity": "EMAIL_ADDRESS"}]},
			"want": set(),
		},
	}

	got := restore_own_values.restore with input as given.input with data.settings as given.settings
	got == given.want
}
