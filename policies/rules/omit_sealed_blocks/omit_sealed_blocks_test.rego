package countersign.rules.omit_sealed_blocks_test

import data.countersign.lib.fixtures_test as fixtures
import data.countersign.rules.omit_sealed_blocks

test_omit[name] if {
	some name, given in {
		"fires by the settings, for a request": {
			"input": fixtures.request,
			"settings": {"omit": {"request": [{"blocks": "signed"}], "response": [{"blocks": "encrypted"}]}},
			"want": {{"blocks": "signed"}},
		},
		"fires by the settings, for an answer": {
			"input": fixtures.response,
			"settings": {"omit": {"request": [{"blocks": "signed"}], "response": [{"blocks": "encrypted"}]}},
			"want": {{"blocks": "encrypted"}},
		},
		"does not fire where the list is empty": {
			"input": fixtures.request,
			"settings": {"omit": {"request": []}},
			"want": set(),
		},
		"does not fire when the phase has no list": {
			"input": fixtures.response,
			"settings": {"omit": {"request": [{"blocks": "signed"}]}},
			"want": set(),
		},
		"does not fire when the setting is missing": {
			"input": fixtures.request,
			"settings": {},
			"want": set(),
		},
		"does not fire when the phase is missing": {
			"input": object.remove(fixtures.request, {"phase"}),
			"settings": {"omit": {"request": [{"blocks": "signed"}]}},
			"want": set(),
		},
	}

	got := omit_sealed_blocks.omit with input as given.input with data.settings as given.settings
	got == given.want
}
