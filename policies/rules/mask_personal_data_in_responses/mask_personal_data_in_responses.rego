# METADATA
# title: Mask personal data in responses
# description: |
#   What the model says about people is replaced by its label before it reaches the caller.
#   `settings.mask.response.personal_data` replaces the plan below; an empty list switches it off.
package countersign.rules.mask_personal_data_in_responses

# METADATA
# title: Replace each finding in a response by its label
redact contains row if {
	input.phase == "response"
	some row in _plan
}

default _plan := [{"entity": "*", "method": "label"}]

_plan := data.settings.mask.response.personal_data
