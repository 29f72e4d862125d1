/**
 * Every code of this package, with its meaning in one line. `docs/errors.md` has an entry for each code. The
 * browser of a viewer gets the errors of the viewer's requests. The other errors are for the person who sets
 * the dashboard up.
 */
export const dashboardErrors = {
  DASHBOARD_OPEN: 'dashboard() was called without authorize(), so everybody could use it.',
  DASHBOARD_INVALID: 'An option of dashboard() is not valid.',
  DASHBOARD_HOSTS:
    'jobs:dashboard listens for other machines, and does not know by which host names it may be called.',
  DASHBOARD_UNAVAILABLE: 'jobs:dashboard cannot listen on its port.',
  VIEWER_INVALID: 'authorize() of the dashboard returned something other than a viewer.',
  NOT_AUTHORIZED: 'authorize() of the dashboard did not let the request in.',
  ROLE_REFUSED: 'The role of the viewer does not allow the action.',
  VALUES_REFUSED: 'The viewer may not see payloads, and so may not search in them.',
  HOST_REFUSED: 'The dashboard was called by a name that is not one of its hosts.',
  REQUEST_INVALID: 'The request has an address or a host that is not valid.',
  ORIGIN_REFUSED: 'The request comes from a page of another site.',
  METHOD_REFUSED: 'An action that changes something needs a POST, and an action that only reads needs a GET.',
  TYPE_REFUSED: 'The body of the request is not application/json.',
  BODY_TOO_LARGE: 'The request has more bytes than the dashboard reads.',
  INPUT_INVALID: 'The request has an input that its action does not take.',
  ACTION_UNKNOWN: 'The dashboard has no action with this name.',
  DASHBOARD_FAULT: 'The dashboard has a fault, which the log of its server describes.',
  CHANGE_GONE: 'The process of the dashboard does not know the change whose progress was asked for.',
  TOO_MANY_CHANGES:
    'The process of the dashboard already makes as many long changes as it may make at a time.',
  TOO_MANY_STREAMS: 'The process, or the user, already has as many open dashboards as it may have.',
  UNDO_GONE: 'The change can no longer be undone.',
} as const

export type DashboardErrorCode = keyof typeof dashboardErrors
