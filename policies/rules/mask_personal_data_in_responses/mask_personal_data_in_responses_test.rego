package countersign.rules.mask_personal_data_in_responses_test

import data.countersign.lib.fixtures_test as fixtures
import data.countersign.rules.mask_personal_data_in_responses

test_redact[name] if {
	some name, given in {
		"fires by the plan of the settings": {
			"input": fixtures.response,
			"settings": {"mask": {"response": {"personal_data": [{"entity": "PASSPORT_*", "method": "drop", "roles": ["user"]}]}}},
			"want": {{"entity": "PASSPORT_*", "method": "drop", "roles": ["user"]}},
		},
		"fires by its own plan when the setting is missing": {
			"input": fixtures.response,
			"settings": {},
			"want": {{"entity": "*", "method": "label"}},
		},
		"does not fire where the setting is an empty list": {
			"input": fixtures.response,
			"settings": {"mask": {"response": {"personal_data": []}}},
			"want": set(),
		},
		"does not fire in the other phase": {
			"input": fixtures.request,
			"settings": {},
			"want": set(),
		},
		"does not fire when the input does not say its phase": {
			"input": object.remove(fixtures.response, ["phase"]),
			"settings": {},
			"want": set(),
		},
	}

	got := mask_personal_data_in_responses.redact with input as given.input with data.settings as given.settings
	got == given.want
}
