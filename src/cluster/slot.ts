export { SLOTS, slotOf } from '../offline-messages/slot.js';
